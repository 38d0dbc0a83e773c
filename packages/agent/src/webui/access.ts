import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** Crockford's base 32: no letters that are read as digits. */
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const codeLength = 8;

/** Wrong tries until a code is worth nothing. */
const triesPerCode = 5;
/** Tries that may come at once, and the seconds until there is one more. */
const burst = 5;
const refillSeconds = 3;
/** Browsers that may be signed in at once, and for how long without a request, in milliseconds. */
const maximumSessions = 8;
const sessionLifetime = 12 * 60 * 60 * 1000;

export type Attempt =
  | { readonly result: 'open'; readonly token: string }
  | { readonly result: 'wrong' }
  /** Too many tries: none is looked at for this many seconds. */
  | { readonly result: 'wait'; readonly seconds: number };

export interface AccessOptions {
  /** Tells the person before the machine: at first, when a code has been used, and when it was guessed at too often. */
  readonly onCode: (code: string, why: 'first' | 'used' | 'guessed') => void;
  /** Milliseconds of a clock that only goes forward. */
  readonly now?: () => number;
  readonly random?: (bytes: number) => Uint8Array;
}

const digest = (text: string) => createHash('sha256').update(text).digest();

/** A code as it was meant: case, spaces and dashes do not count, and neither do the letters that look like digits. */
function normalized(code: string): string {
  return code.toUpperCase().replaceAll(/[\s-]/g, '').replaceAll('O', '0').replaceAll(/[IL]/g, '1');
}

/**
 * Who may use the web installer: whoever can read the console. A code of 40 random bits opens one session and is then
 * replaced; five wrong tries replace it as well, so that guessing has five chances in 10¹² for each code that
 * somebody could read off the console. Tries are limited over all clients together, since addresses are cheap.
 */
export class Access {
  private codeDigest = digest('');
  private wrong = 0;
  private tokens = burst;
  private refilled: number;
  /** Digests of tokens, with the time of the last request. */
  private readonly sessions = new Map<string, number>();
  private readonly now: () => number;
  private readonly random: (bytes: number) => Uint8Array;

  constructor(private readonly options: AccessOptions) {
    this.now = options.now ?? (() => performance.now());
    this.random = options.random ?? randomBytes;
    this.refilled = this.now();
    this.renew('first');
  }

  /** Tries a code. */
  attempt(given: string): Attempt {
    const earned = Math.floor((this.now() - this.refilled) / (refillSeconds * 1000));
    if (earned > 0) {
      this.tokens = Math.min(burst, this.tokens + earned);
      this.refilled += earned * refillSeconds * 1000;
    }
    if (this.tokens === 0) {
      const seconds = Math.ceil((this.refilled + refillSeconds * 1000 - this.now()) / 1000);
      return { result: 'wait', seconds: Math.max(1, seconds) };
    }
    this.tokens--;
    if (!timingSafeEqual(digest(normalized(given)), this.codeDigest)) {
      this.wrong++;
      if (this.wrong >= triesPerCode) this.renew('guessed');
      return { result: 'wrong' };
    }
    this.tokens = burst;
    const token = Buffer.from(this.random(32)).toString('base64url');
    this.sessions.set(digest(token).toString('hex'), this.now());
    const [oldest] = this.sessions.keys();
    if (this.sessions.size > maximumSessions && oldest !== undefined) this.sessions.delete(oldest);
    this.renew('used');
    return { result: 'open', token };
  }

  /** Whether a token belongs to a session that is open; a request keeps it open. */
  isOpen(token: string | undefined): boolean {
    if (token === undefined) return false;
    const key = digest(token).toString('hex');
    const last = this.sessions.get(key);
    if (last === undefined) return false;
    this.sessions.delete(key);
    if (this.now() - last > sessionLifetime) return false;
    this.sessions.set(key, this.now());
    return true;
  }

  close(token: string | undefined): void {
    if (token !== undefined) this.sessions.delete(digest(token).toString('hex'));
  }

  private renew(why: 'first' | 'used' | 'guessed'): void {
    // 256 is a multiple of 32, so no letter is likelier than another.
    const code = [...this.random(codeLength)].map((byte) => alphabet[byte % alphabet.length]).join('');
    this.codeDigest = digest(code);
    this.wrong = 0;
    this.options.onCode(`${code.slice(0, 4)}-${code.slice(4)}`, why);
  }
}

import { renderUnicodeCompact } from 'uqr';

export interface AnnouncementParts {
  readonly urls: readonly string[];
  readonly code: string;
  /** Of the certificate, where there is one. */
  readonly fingerprint?: string | undefined;
  /** Why the code is another one than before. */
  readonly why: 'first' | 'used' | 'guessed' | 'address';
}

const reasons: Readonly<Record<AnnouncementParts['why'], string | undefined>> = {
  first: undefined,
  address: undefined,
  used: 'The code was used. For another browser there is a new one.',
  guessed: 'The code was guessed at too often. It is replaced by a new one.',
};

/** What the console shows: where the page is, the code that opens it, and a picture of the address for a telephone. */
export function announcement({ urls, code, fingerprint, why }: AnnouncementParts): string {
  const [first] = urls;
  const reason = reasons[why];
  if (why === 'used' || why === 'guessed') return `\n  ${reason}\n  Code: ${code}\n\n`;
  const lines =
    first === undefined
      ? ['The web installer is ready, but the machine has no network address yet.']
      : ['To install from a browser, open', '', ...urls.map((url) => `  ${url}`)];
  const picture = first === undefined ? [] : ['', ...renderUnicodeCompact(first, { border: 1 }).split('\n')];
  return [
    '',
    ...lines,
    '',
    `and enter the code  ${code}`,
    ...(fingerprint === undefined
      ? []
      : ['', 'The browser will warn of an unknown certificate. Its SHA-256 is', ...wrapped(fingerprint)]),
    ...picture,
    '',
  ]
    .map((line) => (line === '' ? line : `  ${line}`))
    .join('\n')
    .concat('\n');
}

/** A fingerprint in two halves, so that it fits on 80 columns. */
function wrapped(fingerprint: string): string[] {
  const pairs = fingerprint.split(':');
  return [pairs.slice(0, 16).join(':'), pairs.slice(16).join(':')].map((half) => `  ${half}`);
}

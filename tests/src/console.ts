import { appendFileSync } from 'node:fs';

/** Thrown when what was waited for did not come; carries the end of what did. */
export class ConsoleError extends Error {}

interface Waiter {
  readonly pattern: RegExp;
  readonly from: number;
  readonly resolve: (match: RegExpExecArray) => void;
  readonly reject: (error: Error) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

const escapes = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[()][A-Z0-9]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[=>A-Za-z])/g;

/** The beginning of an escape sequence whose rest has not come yet. */
const unfinishedEscape = /\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]{0,200}\x1b?|[()])?$/;

/** A serial console: everything that came, and waiting for what comes. Nothing here sleeps. */
export class SerialConsole {
  /** Everything received, without escape sequences and carriage returns. */
  text = '';
  private unfinished = '';
  private waiters: Waiter[] = [];
  private position = 0;
  private closed: string | undefined;
  private commands = 0;
  private listeners: ((text: string) => void)[] = [];
  /** Says where the machine stands when what was waited for does not come. */
  diagnose: (() => Promise<string>) | undefined;

  constructor(
    private readonly write: (text: string) => void,
    private readonly log: string,
  ) {}

  receive(chunk: string): void {
    appendFileSync(this.log, chunk);
    for (const listener of this.listeners) listener(chunk);
    const received = this.unfinished + chunk;
    const end = unfinishedEscape.exec(received)?.index ?? received.length;
    this.unfinished = received.slice(end);
    this.text += received.slice(0, end).replace(escapes, '').replaceAll('\r', '');
    this.settle();
  }

  /** Gives everything that comes, as it comes. */
  listen(listener: (text: string) => void): void {
    this.listeners.push(listener);
  }

  close(why: string): void {
    this.closed = why;
    for (const waiter of this.waiters.splice(0)) {
      clearTimeout(waiter.timer);
      waiter.reject(this.error(`${why} before ${waiter.pattern} came`));
    }
  }

  private error(message: string): ConsoleError {
    const tail = this.text.split('\n').slice(-40).join('\n');
    return new ConsoleError(`${message}; the console's end (whole: ${this.log}):\n${tail}`);
  }

  private settle(): void {
    this.waiters = this.waiters.filter((waiter) => {
      const match = waiter.pattern.exec(this.text.slice(waiter.from));
      if (match === null) return true;
      clearTimeout(waiter.timer);
      this.position = waiter.from + match.index + match[0].length;
      waiter.resolve(match);
      return false;
    });
  }

  /** Waits for a pattern after everything that was matched before. */
  waitFor(
    pattern: RegExp,
    options: { timeout?: number; fromStart?: boolean } = {},
  ): Promise<RegExpExecArray> {
    const timeout = options.timeout ?? 180_000;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiters = this.waiters.filter((waiter) => waiter.timer !== timer);
        const error = this.error(`${pattern} did not come within ${timeout / 1000} s`);
        if (this.diagnose === undefined) reject(error);
        else
          this.diagnose().then(
            (diagnosis) => {
              error.message += `\n${diagnosis}`;
              reject(error);
            },
            () => reject(error),
          );
      }, timeout);
      this.waiters.push({ pattern, from: options.fromStart ? 0 : this.position, resolve, reject, timer });
      this.settle();
      if (this.closed !== undefined) this.close(this.closed);
    });
  }

  send(text: string): void {
    this.write(text);
  }

  /** Logs in at a `login:` prompt and waits for the shell. */
  async login(user: string, password: string, options: { timeout?: number } = {}): Promise<void> {
    await this.waitFor(/login: /, options);
    this.send(`${user}\n`);
    await this.waitFor(/[Pp]assword: /, options);
    this.send(`${password}\n`);
    await this.waitFor(/[$#] /, options);
    await this.quiet();
  }

  /** Turns echo and prompt off, so that commands and their output can be told apart. */
  async quiet(): Promise<void> {
    this.send("stty -echo cols 400; export PS1='' TERM=dumb; unset PROMPT_COMMAND; echo ready-$((40+2))\n");
    await this.waitFor(/ready-42\n/);
  }

  /** Runs a command in the shell that is logged in. */
  async run(command: string, options: { timeout?: number } = {}): Promise<{ output: string; code: number }> {
    const mark = `m${this.commands++}x`;
    this.send(`echo begin-"${mark}"; { ${command}\n} </dev/null 2>&1; echo end-"${mark}"-$?-\n`);
    await this.waitFor(new RegExp(`begin-${mark}\\n`), options);
    const start = this.position;
    const match = await this.waitFor(new RegExp(`end-${mark}-(\\d+)-`), options);
    const output = this.text.slice(start, this.position - match[0].length);
    return { output: output.trimEnd(), code: Number(match[1]) };
  }

  /** Runs a command that must succeed; gives its output. */
  async ok(command: string, options: { timeout?: number } = {}): Promise<string> {
    const { output, code } = await this.run(command, options);
    if (code !== 0) throw this.error(`${command} exited with ${code}: ${output}`);
    return output;
  }
}

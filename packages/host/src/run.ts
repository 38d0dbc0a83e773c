import { existsSync } from 'node:fs';
import { isSystemError, KairosError, reasonOf } from '@kairos/facts/errors';
import type { RunOptions, RunResult } from './host.ts';

/** As much of a program's output as is kept; more is cut in the middle of nothing that anyone reads. */
const maximumOutput = 64 * 1024 * 1024;
/** Where programs of the system are, for callers whose PATH is an ordinary user's or an initrd's. */
const systemPath = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** The given PATH, with the directories of the system behind it. */
export function fullPath(path: string | undefined): string {
  const given = (path ?? '').split(':').filter(Boolean);
  return [...given, ...systemPath.filter((directory) => !given.includes(directory))].join(':');
}

/** Lines of stderr that end up in an error. */
const errorLines = 12;
/** And as much of them as is kept: a program may print anything, without a line's end. */
const errorCharacters = 8192;
/** Milliseconds that the pipes of a program that is over have to close: something that it started may hold them open. */
const closeTimeout = 500;

/** How a command is shown to people: quoted only where a shell would need it. */
export function showCommand(argv: readonly string[]): string {
  return argv
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ');
}

function lastLines(text: string): string {
  const lines = text.trimEnd().split('\n');
  return lines.slice(-errorLines).join('\n').slice(-errorCharacters);
}

class LineReader {
  private rest = '';
  constructor(private readonly emit: (line: string) => void) {}
  push(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) this.emit(line);
  }
  end(): void {
    if (this.rest) this.emit(this.rest);
  }
}

/** What comes down a pipe, and how to stop reading one that somebody holds open. */
function collect(
  pipe: ReadableStream<Uint8Array>,
  allowed: (bytes: number) => boolean,
  onLine: ((line: string) => void) | undefined,
): { readonly text: Promise<string>; stop(): void } {
  const decoder = new TextDecoder();
  const lines = onLine && new LineReader(onLine);
  const reader = pipe.getReader();
  let whole = '';
  const take = (text: string) => {
    if (whole.length < maximumOutput) whole += text;
    lines?.push(text);
  };
  const read = async (): Promise<string> => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (allowed(value.length)) take(decoder.decode(value, { stream: true }));
    }
    take(decoder.decode());
    lines?.end();
    return whole;
  };
  // A read that waits ends as if the pipe had been closed.
  return { text: read(), stop: () => void reader.cancel().catch(() => undefined) };
}

function start(argv: readonly string[], { input, cwd, env }: RunOptions) {
  return Bun.spawn([...argv], {
    // Text is written as UTF-8; without input the program finds an empty one.
    stdin: input ? (typeof input === 'string' ? Buffer.from(input) : input) : 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    detached: true,
    ...(cwd === undefined ? {} : { cwd }),
    env: { ...process.env, PATH: fullPath(process.env.PATH), ...env },
  });
}

type Ending = 'timeout' | 'aborted' | 'output';

/**
 * Runs a program to its end. Kills its whole process group on timeout or abort. Uses Bun's own spawn: with
 * `node:child_process` a program costs ten times as much, which is felt at boot on a small processor.
 * @throws KairosError `TOOL_MISSING`, `TOOL_FAILED`, `TOOL_TIMEOUT`, `TOOL_OUTPUT`
 */
export async function runProgram(
  argv: readonly [string, ...string[]],
  options: RunOptions = {},
): Promise<RunResult> {
  const { chroot, signal, onLine, timeout } = options;
  const command: readonly string[] = chroot === undefined ? argv : ['chroot', chroot, ...argv];
  let child: ReturnType<typeof start>;
  try {
    child = start(command, options);
  } catch (cause) {
    // The folder to run in may be what is missing.
    const missing = isSystemError(cause, 'ENOENT') && (options.cwd === undefined || existsSync(options.cwd));
    throw new KairosError(
      missing ? 'TOOL_MISSING' : 'TOOL_FAILED',
      missing
        ? `Cannot run ${command[0]}: it is not installed`
        : `Cannot run ${command[0]}: ${reasonOf(cause)}`,
      { cause, exit: missing ? 'missingTool' : 'toolFailed', details: { command: argv } },
    );
  }
  let ended: Ending | undefined;
  const kill = (why: Ending) => {
    ended ??= why;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      child.kill('SIGKILL');
    }
    stopReading();
  };
  const stopReading = () => {
    setTimeout(() => {
      out.stop();
      err.stop();
    }, closeTimeout).unref();
  };
  let printed = 0;
  /** Counts what comes, whether or not it is kept; false once there was too much. */
  const allowed = (bytes: number): boolean => {
    printed += bytes;
    if (printed <= (options.maximumOutput ?? Number.POSITIVE_INFINITY)) return true;
    kill('output');
    return false;
  };
  const out = collect(child.stdout, allowed, onLine && ((line) => onLine(line, 'stdout')));
  const err = collect(child.stderr, allowed, onLine && ((line) => onLine(line, 'stderr')));
  const onAbort = () => {
    if (options.stopSignal === undefined) return kill('aborted');
    ended ??= 'aborted';
    child.kill(options.stopSignal);
  };
  const timer = timeout === undefined ? undefined : setTimeout(() => kill('timeout'), timeout);
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  if (options.leavesOthers) void child.exited.then(stopReading);
  let stdout: string;
  let stderr: string;
  try {
    [stdout, stderr] = await Promise.all([out.text, err.text, child.exited]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
  const { exitCode, signalCode } = child;
  if (ended === undefined && exitCode !== null && (options.okCodes ?? [0]).includes(exitCode)) {
    return { stdout, stderr, code: exitCode };
  }
  const how =
    ended === 'timeout'
      ? `did not end within ${timeout} ms`
      : ended === 'aborted'
        ? 'was stopped'
        : ended === 'output'
          ? `printed more than ${options.maximumOutput} bytes and was killed`
          : exitCode === null
            ? `was killed by ${signalCode}`
            : `exited with ${exitCode}`;
  const said = lastLines(stderr) || lastLines(stdout);
  throw new KairosError(
    ended === 'timeout' ? 'TOOL_TIMEOUT' : ended === 'output' ? 'TOOL_OUTPUT' : 'TOOL_FAILED',
    `${showCommand(argv)} ${how}${said ? `:\n${said}` : ''}`,
    {
      exit: ended === 'aborted' ? 'interrupted' : 'toolFailed',
      details: { command: argv, exitCode, signal: signalCode },
    },
  );
}

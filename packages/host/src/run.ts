import { spawn } from 'node:child_process';
import { KairosError } from '@kairos/facts/errors';
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
/** Milliseconds that the pipes of a killed program have to close: a child that left its group may hold them open. */
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

/**
 * Runs a program to its end. Kills its whole process group on timeout or abort.
 * @throws KairosError `TOOL_MISSING`, `TOOL_FAILED`, `TOOL_TIMEOUT`, `TOOL_OUTPUT`
 */
export function runProgram(
  argv: readonly [string, ...string[]],
  options: RunOptions = {},
): Promise<RunResult> {
  const [program, ...rest] =
    options.chroot === undefined ? argv : (['chroot', options.chroot, ...argv] as const);
  return new Promise((resolve, reject) => {
    const child = spawn(program as string, rest, {
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, PATH: fullPath(process.env.PATH), ...options.env },
    });
    let stdout = '';
    let stderr = '';
    let ended: 'timeout' | 'aborted' | 'output' | undefined;
    let printed = 0;
    const lines = options.onLine;
    const out = lines && new LineReader((line) => lines(line, 'stdout'));
    const err = lines && new LineReader((line) => lines(line, 'stderr'));
    const kill = (why: 'timeout' | 'aborted' | 'output') => {
      ended ??= why;
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      } catch {
        child.kill('SIGKILL');
      }
      setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
      }, closeTimeout).unref();
    };
    const onAbort = () => {
      if (options.stopSignal === undefined) return kill('aborted');
      ended ??= 'aborted';
      child.kill(options.stopSignal);
    };
    /** Counts what comes, whether or not it is kept; false once there was too much. */
    const allowed = (text: string): boolean => {
      printed += Buffer.byteLength(text);
      if (printed <= (options.maximumOutput ?? Number.POSITIVE_INFINITY)) return true;
      kill('output');
      return false;
    };
    const timer =
      options.timeout === undefined ? undefined : setTimeout(() => kill('timeout'), options.timeout);
    if (options.signal?.aborted) onAbort();
    options.signal?.addEventListener('abort', onAbort, { once: true });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (!allowed(text)) return;
      if (stdout.length < maximumOutput) stdout += text;
      out?.push(text);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (!allowed(text)) return;
      if (stderr.length < maximumOutput) stderr += text;
      err?.push(text);
    });
    // A program that does not read its input closes the pipe; its exit code tells what that meant.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    const finish = () => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', onAbort);
    };
    child.on('error', (cause: NodeJS.ErrnoException) => {
      finish();
      const missing = cause.code === 'ENOENT';
      reject(
        new KairosError(
          missing ? 'TOOL_MISSING' : 'TOOL_FAILED',
          missing ? `Cannot run ${program}: it is not installed` : `Cannot run ${program}: ${cause.message}`,
          { cause, exit: missing ? 'missingTool' : 'toolFailed', details: { command: argv } },
        ),
      );
    });
    child.on('close', (code, signal) => {
      finish();
      out?.end();
      err?.end();
      if (ended === undefined && code !== null && (options.okCodes ?? [0]).includes(code)) {
        resolve({ stdout, stderr, code });
        return;
      }
      const how =
        ended === 'timeout'
          ? `did not end within ${options.timeout} ms`
          : ended === 'aborted'
            ? 'was stopped'
            : ended === 'output'
              ? `printed more than ${options.maximumOutput} bytes and was killed`
              : code === null
                ? `was killed by ${signal}`
                : `exited with ${code}`;
      const said = lastLines(stderr) || lastLines(stdout);
      reject(
        new KairosError(
          ended === 'timeout' ? 'TOOL_TIMEOUT' : ended === 'output' ? 'TOOL_OUTPUT' : 'TOOL_FAILED',
          `${showCommand(argv)} ${how}${said ? `:\n${said}` : ''}`,
          {
            exit: ended === 'aborted' ? 'interrupted' : 'toolFailed',
            details: { command: argv, exitCode: code, signal },
          },
        ),
      );
    });
  });
}

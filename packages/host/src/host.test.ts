import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KairosError } from '@kairos/facts/errors';
import { directoryHost } from './directory.ts';
import { beside, filesBelow, writeDurably } from './files.ts';
import { parseMountTable } from './mount-table.ts';
import { fullPath, runProgram } from './run.ts';
import { writeStream } from './streams.ts';
import { splitMountOptions } from './system-calls.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'host-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function errorOf(promise: Promise<unknown>): Promise<KairosError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof KairosError) return error;
    throw error;
  }
  throw new Error('expected a KairosError');
}

describe('files', () => {
  test('a durable write has its mode and leaves nothing beside it', () => {
    writeDurably(join(folder, 'secret'), 'a', { mode: 0o600 });
    writeDurably(join(folder, 'secret'), 'bc', { mode: 0o640 });
    expect(readFileSync(join(folder, 'secret'), 'utf8')).toBe('bc');
    expect(statSync(join(folder, 'secret')).mode & 0o777).toBe(0o640);
    expect(readdirSync(folder)).toEqual(['secret']);
  });

  test('what a power cut left of a process of the same number is passed over', async () => {
    const files = filesBelow(folder);
    files.write('/text', 'old');
    const next = Number(/-(\d+)\.tmp$/.exec(beside(folder))?.[1]) + 1;
    for (let one = next; one < next + 6; one++)
      writeFileSync(join(folder, `.${process.pid}-${one}.tmp`), 'x');
    files.write('/text', 'new');
    files.symlink('text', '/link');
    async function* chunks() {
      yield Buffer.from('streamed');
    }
    await writeStream(files, '/stream', chunks());
    expect(['/text', '/link', '/stream'].map(files.readText)).toEqual(['new', 'new', 'streamed']);
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toHaveLength(6);
  });

  test('an ordinary text has its limit, and nothing else is one', () => {
    const files = filesBelow(folder);
    const read = (path: string, limit = 10) => {
      try {
        return files.readOrdinaryText(path, limit);
      } catch (error) {
        return error instanceof KairosError ? error.code : (error as { code?: string }).code;
      }
    };
    files.write('/text', 'é23456789');
    files.symlink('text', '/link');
    files.write('/empty', '');
    files.symlink('/dev/zero', '/zero');
    files.symlink('ring', '/ring');
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    expect([read('/text'), read('/link'), read('/empty', 0)]).toEqual(['é23456789', 'é23456789', '']);
    expect([read('/text', 9), read('/zero'), read('/pipe'), read('/'), read('/ring'), read('/none')]).toEqual(
      ['FILE_TOO_LARGE', 'FILE_NOT_ORDINARY', 'FILE_NOT_ORDINARY', 'FILE_NOT_ORDINARY', 'ELOOP', 'ENOENT'],
    );
    // Files of the kernel say that they have no size.
    files.symlink('/proc/self/status', '/status');
    expect(read('/status', 100_000)).toContain('VmRSS:');
    expect(read('/status', 100)).toBe('FILE_TOO_LARGE');
  });

  test('exchange swaps two directories', () => {
    const files = filesBelow(folder);
    files.write('/a/name', 'old');
    files.write('/b/name', 'new');
    files.exchange('/a', '/b');
    expect([files.readText('/a/name'), files.readText('/b/name')]).toEqual(['new', 'old']);
    expect(() => files.exchange('/a', '/missing')).toThrow('Cannot exchange');
  });

  test('writing in place keeps the file and needs one', () => {
    const files = filesBelow(folder);
    files.write('/knob', 'long');
    files.writeInPlace('/knob', 'ab');
    expect(files.readText('/knob')).toBe('abng');
    expect(() => files.writeInPlace('/missing', 'x')).toThrow('ENOENT');
  });

  test('the digest of a file larger than one piece', () => {
    const files = filesBelow(folder);
    const content = new Uint8Array(3 * 1024 * 1024 + 1).fill(7);
    files.write('/big', content);
    expect(files.sha256('/big')).toBe(new Bun.CryptoHasher('sha256').update(content).digest('hex'));
  });

  test('paths do not climb out of the folder', () => {
    const files = filesBelow(join(folder, 'inner'));
    writeFileSync(join(folder, 'outside'), 'x');
    expect(files.exists('/../outside')).toBe(false);
    expect(files.real('/../../etc')).toBe(join(folder, 'inner/etc'));
  });
});

describe('run', () => {
  test('a program that cleans up after itself is asked to end, and waited for', async () => {
    const controller = new AbortController();
    const script = `trap 'echo cleaned >${folder}/mark; exit 3' TERM; echo up; while :; do sleep 0.05; done`;
    const error = await errorOf(
      runProgram(['sh', '-c', script], {
        ...{ signal: controller.signal, stopSignal: 'SIGTERM' },
        onLine: () => controller.abort(),
      }),
    );
    expect(error.exit).toBe('interrupted');
    expect(error.message).toContain('was stopped');
    expect(readFileSync(join(folder, 'mark'), 'utf8')).toBe('cleaned\n');
  });

  test('gives output and code', async () => {
    expect(await runProgram(['sh', '-c', 'echo out; echo err >&2; exit 3'], { okCodes: [3] })).toEqual({
      stdout: 'out\n',
      stderr: 'err\n',
      code: 3,
    });
  });

  test('feeds input and environment', async () => {
    const result = await runProgram(['sh', '-c', 'cat; echo "$A"'], { input: 'in ', env: { A: 'b' } });
    expect(result.stdout).toBe('in b\n');
  });

  test('a failure carries stderr and the command', async () => {
    const error = await errorOf(runProgram(['sh', '-c', 'echo broken >&2; exit 4']));
    expect(error.code).toBe('TOOL_FAILED');
    expect(error.message).toBe("sh -c 'echo broken >&2; exit 4' exited with 4:\nbroken");
    expect(error.exitCode).toBe(15);
  });

  test('a missing program is told from a failing one', async () => {
    for (const program of ['no-such-program-here', '/usr/lib/no-such-program-here']) {
      const error = await errorOf(runProgram([program]));
      expect([error.code, error.exitCode]).toEqual(['TOOL_MISSING', 14]);
    }
  });

  test('a folder that is not there is not a missing program', async () => {
    const error = await errorOf(runProgram(['true'], { cwd: join(folder, 'nowhere') }));
    expect(error.code).toBe('TOOL_FAILED');
  });

  test('a program that does not read its input, and one that finds none', async () => {
    const input = new Uint8Array(4_000_000);
    expect((await runProgram(['true'], { input })).code).toBe(0);
    expect((await runProgram(['wc', '-c'], { input })).stdout.trim()).toBe('4000000');
    expect((await runProgram(['wc', '-c'])).stdout.trim()).toBe('0');
  });

  test('lines come one by one, whole characters, the last without its end', async () => {
    const lines: string[] = [];
    const script = "printf 'a\\303'; sleep 0.05; printf '\\244b\\nlast'; echo other >&2";
    const { stdout } = await runProgram(['sh', '-c', script], {
      onLine: (line, stream) => lines.push(`${stream} ${line}`),
    });
    expect(stdout).toBe('aäb\nlast');
    expect(lines.toSorted()).toEqual(['stderr other', 'stdout aäb', 'stdout last']);
  });

  test('a signal and an abort are told apart', async () => {
    const killed = await errorOf(runProgram(['sh', '-c', 'kill -TERM $$']));
    expect(killed.message).toBe("sh -c 'kill -TERM $$' was killed by SIGTERM");
    const stop = new AbortController();
    const stopped = errorOf(runProgram(['sleep', '1000'], { signal: stop.signal }));
    stop.abort();
    expect((await stopped).message).toBe('sleep 1000 was stopped');
    const late = await errorOf(runProgram(['sleep', '1000'], { signal: stop.signal }));
    expect([late.code, late.exitCode]).toEqual(['TOOL_FAILED', 130]);
  });

  test('a child that left its group and holds the output open does not hold up the timeout', async () => {
    const started = performance.now();
    const error = await errorOf(
      runProgram(['sh', '-c', `setsid sh -c 'echo $$ >${folder}/stray; exec sleep 20' & sleep 20`], {
        timeout: 500,
      }),
    );
    expect(error.code).toBe('TOOL_TIMEOUT');
    expect(performance.now() - started).toBeLessThan(15_000);
    process.kill(Number(readFileSync(join(folder, 'stray'), 'utf8')));
  });

  test('too much output', async () => {
    const error = await errorOf(runProgram(['sh', '-c', 'yes'], { maximumOutput: 1000 }));
    expect([error.code, error.message.split('\n')[0]]).toEqual([
      'TOOL_OUTPUT',
      'sh -c yes printed more than 1000 bytes and was killed',
    ]);
  });

  test('a timeout kills the children too', async () => {
    const error = await errorOf(runProgram(['sh', '-c', 'sleep 1000 & wait'], { timeout: 50 }));
    expect(error.code).toBe('TOOL_TIMEOUT');
  });
});

test.each([
  ['/usr/bin', '/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin'],
  [undefined, '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
  ['/opt/bin:/usr/sbin', '/opt/bin:/usr/sbin:/usr/local/sbin:/usr/local/bin:/usr/bin:/sbin:/bin'],
])('PATH %s reaches programs of the system', (given, full) => {
  expect(fullPath(given)).toBe(full);
});

test('mount table', () => {
  const line = '36 35 98:0 /root /mnt\\0402 rw,noatime shared:1 - ext3 /dev/root rw,errors=continue';
  expect(parseMountTable(`${line}\n`)).toEqual([
    { source: '/dev/root', target: '/mnt 2', type: 'ext3', options: ['rw', 'noatime', 'errors=continue'] },
  ]);
});

test('mount options split into flags and data', () => {
  expect(splitMountOptions(['ro', 'bind', 'lowerdir=/a', 'defaults', 'nosuid'])).toEqual({
    flags: 1 | 4096 | 2,
    data: 'lowerdir=/a',
  });
});

test('a directory host records what it was asked', async () => {
  const host = directoryHost(folder, {
    run: ([name]) => (name === 'blkid' ? { stdout: '/dev/vda1\n' } : undefined),
  });
  expect((await host.run(['blkid', '-L', 'COS_OEM'])).stdout).toBe('/dev/vda1\n');
  expect((await errorOf(host.run(['other']))).code).toBe('TOOL_MISSING');
  host.mount({ source: 'tmpfs', target: '/tmp', type: 'tmpfs', options: ['mode=1777'] });
  expect(host.mounts().map((mount) => mount.target)).toEqual(['/tmp']);
  expect(host.mountLog).toEqual(['mount tmpfs tmpfs /tmp mode=1777']);
});

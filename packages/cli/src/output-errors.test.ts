import { expect, test } from 'bun:test';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';

const program = join(import.meta.dir, 'main.ts');

/** Runs a command line of `sh` in which `$0 $1` is this program. */
async function shell(line: string): Promise<{ code: number; said: string }> {
  const full = openSync('/dev/full', 'w');
  try {
    const child = Bun.spawn(['bash', '-c', `set -o pipefail; ${line}`, process.execPath, program], {
      stdio: ['ignore', 'pipe', 'pipe', full],
    });
    const [said, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
    return { code, said };
  } finally {
    closeSync(full);
  }
}

// The pipe holds less than the schema: however late the reader leaves, a write meets its absence.
const leaves = '{ exec <&-; echo gone >&2; }';

test.each(['agent print-schema', '--help', 'agent frobnicate 2>&1'])(
  'a reader that leaves ends nothing and is not complained of: %s',
  async (args) => {
    const { code, said } = await shell(`"$0" "$1" ${args} | ${leaves}`);
    expect(said).toBe('gone\n');
    expect(code).toBe(args.includes('frobnicate') ? 2 : 0);
  },
);

test.each(['agent print-schema', '--version', 'agent uuid'])(
  'results that cannot be kept are a failure: %s',
  async (args) => {
    const { code, said } = await shell(`"$0" "$1" ${args} >&3`);
    expect(said).toBe(
      'error: ENOSPC: no space left on device, write\n  hint: Make room, or name another place\n',
    );
    expect(code).toBe(17);
  },
);

import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

test('why nothing can be installed is told before the shell that follows, and is its exit code', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'installers-'));
  try {
    const shell = join(folder, 'shell');
    writeFileSync(shell, '#!/bin/sh\necho "this is the shell" >&2\n', { mode: 0o755 });
    const child = Bun.spawn(
      [process.execPath, join(import.meta.dir, 'main.ts'), 'agent', 'interactive-install', '--shell'],
      { env: { ...process.env, SHELL: shell }, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const said = await new Response(child.stderr).text();
    expect(said).toMatch(/^error: .*\n {2}hint: .*\nthis is the shell\n$/);
    // No terminal, or no root.
    expect([2, 16]).toContain(await child.exited);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

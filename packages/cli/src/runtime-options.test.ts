import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Bun refuses to start with an option that it does not know, and a node would then not boot. */
test('the runtime knows each of its options that the image sets', () => {
  const system = join(import.meta.dir, '../../../system');
  const found = new Set<string>();
  for (const path of new Bun.Glob('**/*').scanSync({ cwd: system })) {
    for (const [word] of readFileSync(join(system, path), 'utf8').matchAll(/BUN_JSC_\w+=\w+/g))
      found.add(word);
  }
  expect([...found].sort()).toEqual(['BUN_JSC_useBaselineJIT=0', 'BUN_JSC_useDFGJIT=0']);
  for (const word of [...found, 'BUN_JSC_noSuchOption=0']) {
    const [name = '', value = ''] = word.split('=');
    const { exitCode } = Bun.spawnSync([process.execPath, '-e', '0'], {
      env: { ...process.env, [name]: value },
      stdout: 'ignore',
      stderr: 'ignore',
    });
    expect([word, exitCode === 0]).toEqual([word, word !== 'BUN_JSC_noSuchOption=0']);
  }
});

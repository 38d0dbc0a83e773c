import { expect, test } from 'bun:test';
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { collectDocument, collectStageFiles } from './collect.ts';
import { testMachines } from './test-machine.ts';

const testMachine = testMachines();

test('directories in order, folders by name, only YAML', () => {
  const made = testMachine();
  for (const path of [
    '/oem/90.yaml',
    '/oem/10/b.yml',
    '/oem/10/a.yaml',
    '/oem/05.yaml',
    '/oem/x.txt',
    '/system/oem/99.yaml',
  ]) {
    made.put(path, 'stages: {}\n');
  }
  const { files, problems } = collectStageFiles(made.host, ['/system/oem', '/oem/', '/absent', '/oem']);
  expect(files.map(({ file }) => file)).toEqual([
    '/system/oem/99.yaml',
    '/oem/05.yaml',
    '/oem/10/a.yaml',
    '/oem/10/b.yml',
    '/oem/90.yaml',
  ]);
  expect(problems).toEqual([]);
});

test('each bad file is one problem with its file, and the others stay', () => {
  const made = testMachine();
  made.put('/oem/1.yaml', 'a: [');
  made.put('/oem/2.yaml', '\0\0binary');
  made.put('/oem/3.yaml', `a: ${'x'.repeat(3 * 1024 * 1024)}`);
  made.put(
    '/oem/4.yaml',
    'a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n',
  );
  made.put('/oem/5.yaml', '[a list]');
  made.put('/oem/6.yaml', 'stages:\n  boot: {a: b}\n  network: [text]\n');
  made.link('/nowhere', '/oem/7.yaml');
  made.put('/oem/8.yaml', 'stages: {boot: [{commands: [x]}]}');
  const { files, problems } = collectStageFiles(made.host, ['/oem']);
  expect(problems.map(({ position }) => position.file)).toEqual(
    [1, 2, 3, 4, 5, 6, 6, 7].map((n) => `/oem/${n}.yaml`),
  );
  expect(files.at(-1)?.stages.get('boot')?.length).toBe(1);
});

test('a pipe and a device are told and waited for by nobody', () => {
  const made = testMachine();
  mkdirSync(join(made.folder, 'oem'));
  execFileSync('mkfifo', [join(made.folder, 'oem/1.yaml')]);
  made.link('/dev/zero', '/oem/2.yaml');
  made.put('/oem/3.yaml', 'stages: {boot: [{commands: [x]}]}');
  const { files, problems } = collectStageFiles(made.host, ['/oem']);
  expect(problems.map(({ code, position }) => [code, position.file])).toEqual([
    ['FILE_NOT_ORDINARY', '/oem/1.yaml'],
    ['FILE_NOT_ORDINARY', '/oem/2.yaml'],
  ]);
  expect(files.map(({ file }) => file)).toEqual(['/oem/3.yaml']);
});

test('problems of one file in any number are told up to a limit', () => {
  const text = `stages:\n  boot:\n${'  - 1\n'.repeat(20_000)}`;
  const { problems } = collectDocument(text, 'f');
  expect(problems.length).toBe(101);
  expect(problems.at(-1)).toMatchObject({
    severity: 'error',
    code: 'TOO_MANY_PROBLEMS',
    message: 'there are 19900 further problems from here on',
    position: { line: 103 },
  });
});

test('files that cannot concern a stage are not parsed', () => {
  const made = testMachine();
  made.put('/oem/1.yaml', 'stages: {network: [');
  made.put('/oem/2.yaml', 'stages: {fs.after: [{}]}');
  made.put('/oem/3.yaml', '#cloud-config\nhostname: x\n');
  made.put('/oem/4.yaml', 'stages: {initramfs: [{}]}');
  const names = (stage: string) =>
    collectStageFiles(made.host, ['/oem'], stage).files.map(({ file }) => file);
  expect(names('fs')).toEqual(['/oem/2.yaml']);
  expect(names('initramfs')).toEqual(['/oem/3.yaml', '/oem/4.yaml']);
  expect(collectStageFiles(made.host, ['/oem'], 'network').problems.length).toBe(1);
});

import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filesBelow } from '@kairos/host/files';
import fc from 'fast-check';
import { evaluateCondition, parseCondition } from './shell-condition.ts';

const files = filesBelow('/');
const uid = process.getuid?.() ?? 0;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'condition-'));
  writeFileSync(join(folder, 'empty'), '');
  writeFileSync(
    join(folder, 'words'),
    'BOOT_IMAGE=/vmlinuz root=LABEL=COS_ACTIVE cos-img/filename=/cOS/active.img\nsecond line',
  );
  mkdirSync(join(folder, 'directory'));
  symlinkSync('words', join(folder, 'link'));
  symlinkSync('directory', join(folder, 'link-to-directory'));
  symlinkSync('nowhere', join(folder, 'dangling'));
  symlinkSync('circle', join(folder, 'circle'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function shellSays(text: string): boolean {
  return spawnSync('sh', ['-c', text], { stdio: 'ignore' }).status === 0;
}

describe('the plain subset', () => {
  const names = [
    'empty',
    'words',
    'directory',
    'directory/',
    'link',
    'link-to-directory',
    'dangling',
    'circle',
    'absent',
    'words/x',
    'directory/../empty',
    'empty/',
  ];
  const path = fc.constantFrom(...names).chain((name) =>
    fc
      .constantFrom(
        (text: string) => text,
        (text: string) => `"${text}"`,
        (text: string) => `'${text}'`,
      )
      .map((quote) => () => quote(`${folder}/${name}`)),
  );
  const gap = fc.constantFrom(' ', '  ', ' \\\n ');
  const fileTest = fc
    .tuple(
      fc.constantFrom('-e', '-f', '-d', '-s', ...(uid === 0 ? ['-r'] : [])),
      path,
      fc.boolean(),
      fc.boolean(),
    )
    .map(([flag, at, negated, word]) => () => {
      const inner = `${negated ? '! ' : ''}${flag} ${at()}`;
      return word ? `test ${inner}` : `[ ${inner} ]`;
    });
  const grep = fc
    .tuple(
      fc.constantFrom('-q', '-qv', '-vq', '-q -v'),
      fc.constantFrom(
        'active.img',
        'root=LABEL=COS_ACTIVE',
        'activeXimg',
        'second line',
        'nothing',
        'B.OT',
        ' ',
        'cos-img',
      ),
      path,
    )
    .map(
      ([flags, text, at]) =>
        () =>
          `grep ${flags} "${text}" ${at()}`,
    );
  const grepWord = fc
    .tuple(
      fc.constantFrom('-qw', '-wq', '-q -w', '-qwv', '-w -v -q'),
      fc.constantFrom(
        'active',
        'COS',
        'COS_ACTIVE',
        'line',
        'second',
        'img',
        'LABEL=COS_ACTIVE',
        'second line',
        'e',
      ),
      path,
    )
    .map(
      ([flags, text, at]) =>
        () =>
          `grep ${flags} "${text}" ${at()}`,
    );
  const simple = fc.oneof(
    fileTest,
    grep,
    grepWord,
    fc.constantFrom(
      () => 'true',
      () => 'false',
    ),
  );
  const { condition } = fc.letrec<{ condition: () => string }>((tie) => ({
    condition: fc.oneof(
      { maxDepth: 3 },
      simple,
      fc.tuple(tie('condition'), fc.constantFrom('&&', '||'), tie('condition'), gap).map(
        ([left, operator, right, space]) =>
          () =>
            `${left()} ${operator}${space}${right()}`,
      ),
      tie('condition').map((inner) => () => `( ${inner()} )`),
      simple.map((inner) => () => `! ${inner()}`),
    ),
  }));

  test('agrees with sh', () => {
    fc.assert(
      fc.property(condition, (make) => {
        const text = make();
        const parsed = parseCondition(text, uid);
        if (parsed === undefined) {
          if (text.includes("'") && text.includes('\\\n')) return;
          throw new Error(`not taken: ${text}`);
        }
        expect({ text, holds: evaluateCondition(parsed, files) }).toEqual({ text, holds: shellSays(text) });
      }),
      { numRuns: 120 },
    );
  });

  test('whatever text is taken, sh agrees', () => {
    const pieces = fc.constantFrom(
      '[',
      ']',
      '-e',
      '!',
      '&&',
      '||',
      '(',
      ')',
      ' ',
      '\n',
      '"',
      "'",
      '/',
      '/tmp',
      '-f',
      'test',
      'true',
      'false',
      '\\\n',
      '=',
      '-d',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 8 }), (parts) => {
        const text = parts.join('');
        const parsed = parseCondition(text, uid);
        if (parsed !== undefined) {
          expect({ text, holds: evaluateCondition(parsed, files) }).toEqual({ text, holds: shellSays(text) });
        }
      }),
      { numRuns: 3000 },
    );
  });
});

test.each([
  '[ ! -e "/run/cos/recovery_mode" ] && [ ! -e "/run/cos/autoreset_mode" ] && [ ! -e "/run/cos/uki_install_mode" ]',
  '[ -e "/run/cos/recovery_mode" ] || [ -e "/run/cos/autoreset_mode" ]',
  '[ ! -f "/run/cos/recovery_mode" ] && [ -s /usr/local/etc/machine-id ]',
  '(grep -q "kairos.reset" /proc/cmdline || [ -f /run/cos/autoreset_mode ])\n',
  '(grep -q "install-mode" /proc/cmdline || grep -q "nodepair.enable" /proc/cmdline ) && \\\n([ -f /run/cos/live_mode ] || [ -f /run/cos/uki_install_mode ])\n',
  'grep -vq "rd.immucore.uki" /proc/cmdline',
])('taken: %s', (text) => {
  expect(parseCondition(text, 0)).toBeDefined();
});

test.each([
  'cat /proc/cmdline | grep -q "active.img"',
  '[[ $(kairos-agent state get kairos.flavor) =~ ^alpine ]]',
  '[ -e $HOME/x ]',
  '[ -e "/tmp/$x" ]',
  '[ -e /tmp/* ]',
  '[ -e /tmp/[ab] ]',
  '[ -e ~/x ]',
  '[ -e relative ]',
  '[ -e /a -o -e /b ]',
  '[ -n /a ]',
  '[ -e /a ]; true',
  '[ -e /a ]\ntrue',
  '[ -e /a',
  '[-e /a ]',
  'grep -q "a*b" /proc/cmdline',
  'grep -q "^a" /proc/cmdline',
  'grep -qw ".img" /proc/cmdline',
  'grep -qi "a" /proc/cmdline',
  'grep "a" /proc/cmdline',
  '((true))',
  '!(true)',
  '! ! true',
  'true # comment',
  '!\\\nfalse',
  'true > /tmp/x',
  'true &',
  '',
])('left to sh: %s', (text) => {
  expect(parseCondition(text, 0)).toBeUndefined();
});

test('-r is left to sh for those whom permissions bind', () => {
  expect(parseCondition('[ -r /etc/shadow ]', 1000)).toBeUndefined();
});

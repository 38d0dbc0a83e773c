import { expect, test } from 'bun:test';
import { GiB } from '@kairos/facts/size';
import type { DiskChoice, NodeView } from '@kairos/pages/installer-api';
import { readAnswers } from '../installer/answers.ts';
import type { InstallPrompt } from '../providers/questions.ts';
import { type Asker, Left } from './asker.ts';
import { askAnswers, askPrompts, type Circumstances } from './questions.ts';

/** Answers the questions whose beginning it knows; others as they are preset. Keeps all that was asked. */
function scripted(answers: Readonly<Record<string, readonly (string | boolean)[]>>) {
  const left = new Map(Object.entries(answers).map(([question, list]) => [question, [...list]]));
  const asked: string[] = [];
  const next = (question: string) => {
    asked.push(question);
    const key = [...left.keys()].find((one) => question.startsWith(one));
    return key === undefined ? undefined : left.get(key)?.shift();
  };
  const asker: Asker = {
    async choose(question, choices, initial) {
      const value = next(question) ?? initial;
      const choice = choices.find((one) => one.value === value);
      if (!choice || choice.disabled) throw new Error(`${question}: ${value} cannot be chosen`);
      return choice.value;
    },
    async text(question, options = {}) {
      while (true) {
        const value = String(next(question) ?? options.initial ?? '');
        if (options.problem?.(value) === undefined) return value;
      }
    },
    confirm: async (question, options = {}) => (next(question) ?? options.initial ?? false) as boolean,
    tell: (title) => void asked.push(`tell ${title}`),
  };
  return { asker, asked };
}

const node: NodeView = { image: '', version: '', hostname: '', text: '', kubernetes: true, hasAdmin: false };
const disk = (path: string, state: DiskChoice['state'], more: Partial<DiskChoice> = {}): DiskChoice => ({
  ...{ path, state, size: 10 * GiB, model: '', removable: false, contents: [], auto: false },
  ...more,
});
const circumstances = (more: Partial<Circumstances> = {}): Circumstances => ({
  ...{ node, advanced: true, readFile: () => undefined },
  disks: async () => [
    disk('/dev/a', 'free', { auto: true }),
    disk('/dev/b', 'data'),
    disk('/dev/c', 'refused'),
  ],
  validate: () => ({ valid: true, problems: [] }),
  prompts: async () => [],
  ...more,
});
const prompt = (YAMLSection: string, more: Partial<InstallPrompt> = {}): InstallPrompt => ({
  ...{ YAMLSection, Bool: false, Prompt: `${YAMLSection}?`, Default: '', AskFirst: false, AskPrompt: '' },
  ...{ IfEmpty: '', PlaceHolder: '' },
  ...more,
});

test('answers are what the server takes, too', async () => {
  const { asker, asked } = scripted({
    'Which disk?': ['/dev/b', '/dev/b'],
    'Erase all that is on /dev/b?': [false, true],
    'Name of the user': ['Ada', 'ada'],
    'Password (empty': ['', 'secret'],
    'Password, once more': ['other', 'secret'],
    'Public SSH key': ['nonsense', '', 'github:ada', ''],
    'Host name': ['-', 'edge-1'],
    'Kubernetes?': ['k3s-agent'],
    'URL of the server': ['', 'https://10.0.0.1:6443'],
    'Token of the server': ['', 'tok'],
    Arguments: [' --a=b   --c '],
    'File with further': ['/none', '/there'],
    'Afterwards?': ['poweroff'],
  });
  const answers = await askAnswers(
    asker,
    circumstances({
      prompts: async () => [prompt('p2p.network_token', { Default: 'abc' })],
      readFile: (path) => (path === '/there' ? '#cloud-config\np2p: {role: master}\n' : undefined),
    }),
  );
  expect(readAnswers(answers)).toEqual({
    ...{ disk: '/dev/b', erase: true, hostname: 'edge-1', after: 'poweroff' },
    user: { name: 'ada', password: 'secret', sshKeys: ['github:ada'] },
    kubernetes: { role: 'k3s-agent', url: 'https://10.0.0.1:6443', token: 'tok', args: ['--a=b', '--c'] },
    cloudConfig: '#cloud-config\n\np2p:\n    network_token: abc\n    role: master\n',
  });
  expect(asked.filter((question) => question.startsWith('tell'))).toEqual([
    ...['tell /dev/b holds data', 'tell /dev/b holds data', 'tell Nobody could log in'],
  ]);
});

test('without more questions, only disk, user and the end are asked', async () => {
  const { asker, asked } = scripted({ 'Create a user': [false] });
  const answers = await askAnswers(asker, circumstances({ advanced: false }));
  expect(asked.map((question) => question.split(/[?]/)[0])).toEqual([
    ...['Which disk', 'Create a user who administers the node', 'Afterwards'],
  ]);
  expect(answers).toEqual({
    ...{ disk: 'auto', erase: false, user: undefined, hostname: '', cloudConfig: '', after: 'reboot' },
    kubernetes: { role: 'none', args: [], url: '', token: '' },
  });
});

test('a machine without a usable disk has no questions', async () => {
  const { asker, asked } = scripted({});
  const disks = async () => [disk('/dev/c', 'refused', { reason: 'in use' })];
  await expect(askAnswers(asker, circumstances({ disks }))).rejects.toThrow(Left);
  expect(asked).toEqual(['tell There is no disk to install to']);
});

test('prompts of plug-ins become keys', async () => {
  const { asker, asked } = scripted({
    'first?': [false],
    'b.on?': [true],
    'c.text?': [''],
    'd.empty?': [''],
    '__proto__.x?': ['hostile'],
  });
  const tree = await askPrompts(asker, [
    prompt('a.skipped', { AskFirst: true, AskPrompt: 'first?' }),
    prompt('b.on', { Bool: true }),
    prompt('b.off', { Bool: true, Default: 'yes' }),
    prompt('c.text', { IfEmpty: 'fallback', PlaceHolder: 'x' }),
    prompt('d.empty'),
    prompt('__proto__.x'),
  ]);
  expect(JSON.stringify(tree)).toBe(
    '{"b":{"on":true,"off":true},"c":{"text":"fallback"},"__proto__":{"x":"hostile"}}',
  );
  expect(({} as { x?: unknown }).x).toBeUndefined();
  expect(asked).toContain('c.text? (such as x)');
});

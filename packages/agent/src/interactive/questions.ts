import { mergeDocuments, readDocument } from '@kairos/config/collect';
import { formatSize } from '@kairos/facts/size';
import { hostnameRule, lineRule, serverUrlRule, sshKeyRule, userNameRule } from '@kairos/pages/answer-rules';
import type {
  Afterwards,
  Answers,
  DiskChoice,
  KubernetesChoice,
  NewUser,
  NodeView,
  Validation,
} from '@kairos/pages/installer-api';
import { stringify } from 'yaml';
import { printConfiguration } from '../configuration.ts';
import type { InstallPrompt } from '../providers/questions.ts';
import { type Asker, Left } from './asker.ts';

/** What the questions have to know. */
export interface Circumstances {
  readonly node: NodeView;
  readonly disks: () => Promise<readonly DiskChoice[]>;
  readonly validate: (cloudConfig: string) => Validation;
  /** The text of a file, or `undefined`. */
  readonly readFile: (path: string) => string | undefined;
  /** What plug-ins want to know. */
  readonly prompts: () => Promise<readonly InstallPrompt[]>;
  /** Whether more than a disk and a user is asked for. */
  readonly advanced: boolean;
}

const oneLine = (lines: readonly string[], longest = 48) => {
  const text = lines.join('; ');
  return text.length > longest ? `${text.slice(0, longest - 3)}...` : text;
};

async function askDisk(asker: Asker, disks: readonly DiskChoice[]): Promise<Pick<Answers, 'disk' | 'erase'>> {
  const automatic = disks.find(({ auto }) => auto);
  const auto = {
    ...{ value: 'auto', label: 'Choose for me', disabled: automatic === undefined },
    hint: automatic ? `${automatic.path}, ${formatSize(automatic.size)}` : 'there is no disk to take',
  };
  while (true) {
    const disk = await asker.choose(
      'Which disk? The system takes all of it',
      [
        auto,
        ...disks.map(({ path, size, model, state, reason, contents }) => ({
          ...{ value: path, label: `${path}  ${formatSize(size)}  ${model}`.trimEnd() },
          disabled: state === 'refused',
          hint: oneLine(
            state === 'refused' ? [`cannot be used: ${reason}`] : contents.length > 0 ? contents : ['empty'],
          ),
        })),
      ],
      automatic ? 'auto' : disks.find(({ state }) => state !== 'refused')?.path,
    );
    const chosen = disks.find((one) => (disk === 'auto' ? one.auto : one.path === disk));
    if (chosen?.state !== 'data') return { disk, erase: false };
    asker.tell(`${chosen.path} holds data`, [...chosen.contents, '', `It ${chosen.reason}`].join('\n'));
    if (await asker.confirm(`Erase all that is on ${chosen.path}?`)) return { disk, erase: true };
  }
}

async function askUser(asker: Asker, hasAdmin: boolean): Promise<NewUser | undefined> {
  const question = hasAdmin
    ? 'Create a user? The cloud-config of the medium describes one already'
    : 'Create a user who administers the node?';
  if (!(await asker.confirm(question, { initial: !hasAdmin }))) return undefined;
  const name = await asker.text('Name of the user', { initial: 'kairos', problem: userNameRule });
  while (true) {
    const password = await asker.text('Password (empty: log in with a key only)', {
      ...{ secret: true, problem: lineRule },
    });
    if (password !== '') {
      await asker.text('Password, once more', {
        secret: true,
        problem: (again) => (again === password ? undefined : 'This is not the same password'),
      });
    }
    const sshKeys: string[] = [];
    while (true) {
      const key = await asker.text(
        `Public SSH key${sshKeys.length > 0 ? `, number ${sshKeys.length + 1}` : ''}: a key, github:NAME (empty: ${sshKeys.length > 0 ? 'no more' : 'none'})`,
        { problem: (text) => (text === '' ? undefined : sshKeyRule(text.trim())) },
      );
      if (key === '') break;
      sshKeys.push(key.trim());
    }
    if (password !== '' || sshKeys.length > 0) return { name, password, sshKeys };
    asker.tell('Nobody could log in', 'Give the user a password or a key.');
  }
}

async function askKubernetes(asker: Asker, available: boolean): Promise<KubernetesChoice> {
  const role = await asker.choose<KubernetesChoice['role']>(
    'Kubernetes?',
    [
      { value: 'none', label: 'None' },
      { value: 'k3s', label: 'K3s server', hint: available ? undefined : 'this image brings no K3s' },
      { value: 'k3s-agent', label: 'K3s agent', hint: available ? undefined : 'this image brings no K3s' },
    ],
    'none',
  );
  if (role === 'none') return { role, args: [], url: '', token: '' };
  const isAgent = role === 'k3s-agent';
  const needed = (rule: (text: string) => string | undefined) => (text: string) =>
    isAgent && text === '' ? 'An agent needs this' : rule(text);
  const url = await asker.text(
    isAgent ? 'URL of the server, such as https://10.0.0.1:6443' : 'URL of a server to join (empty: none)',
    { problem: needed(serverUrlRule) },
  );
  const token = await asker.text(isAgent ? 'Token of the server' : 'Token (empty: the server makes one)', {
    ...{ secret: true, problem: needed(lineRule) },
  });
  const args = await asker.text('Arguments, separated by blanks (empty: none)', { problem: lineRule });
  return { role, args: args.split(/\s+/).filter((word) => word !== ''), url, token };
}

async function askCloudConfig(asker: Asker, circumstances: Circumstances): Promise<string> {
  const path = await asker.text('File with further cloud-config (empty: none)', {
    problem(text) {
      if (text === '') return undefined;
      const content = circumstances.readFile(text);
      if (content === undefined) return `There is no file ${text}`;
      const { valid, problems } = circumstances.validate(content);
      return valid ? undefined : problems.find(({ severity }) => severity === 'error')?.text;
    },
  });
  return path === '' ? '' : (circumstances.readFile(path) ?? '');
}

/** Asks what plug-ins want to know; gives the answers as a tree of keys. */
export async function askPrompts(
  asker: Asker,
  prompts: readonly InstallPrompt[],
): Promise<Readonly<Record<string, unknown>>> {
  const tree: Record<string, unknown> = {};
  for (const { YAMLSection, Bool, Prompt, Default, AskFirst, AskPrompt, IfEmpty, PlaceHolder } of prompts) {
    if (AskFirst && !(await asker.confirm(AskPrompt || Prompt))) continue;
    const example = PlaceHolder === '' ? '' : ` (such as ${PlaceHolder})`;
    const value = Bool
      ? await asker.confirm(Prompt, { initial: /^(y|yes|true)$/i.test(Default) })
      : (await asker.text(`${Prompt}${example}`, { initial: Default, problem: lineRule })) || IfEmpty;
    if (value === '') continue;
    const keys = YAMLSection.split('.');
    const last = keys.pop() ?? '';
    let node = tree;
    for (const key of keys) {
      const next = Object.hasOwn(node, key) ? node[key] : undefined;
      const inner = typeof next === 'object' && next !== null ? (next as Record<string, unknown>) : {};
      Object.defineProperty(node, key, {
        value: inner,
        enumerable: true,
        configurable: true,
        writable: true,
      });
      node = inner;
    }
    Object.defineProperty(node, last, { value, enumerable: true, configurable: true, writable: true });
  }
  return tree;
}

/** The answers to plug-ins with a cloud-config of one's own over them. */
function withAnswers(tree: Readonly<Record<string, unknown>>, own: string): string {
  if (Object.keys(tree).length === 0) return own;
  const given = `#cloud-config\n${stringify(tree, { lineWidth: 0 })}`;
  const documents = [
    ...readDocument(given, 'plug-ins').documents,
    ...(own.trim() === '' ? [] : readDocument(own, 'cloud-config').documents),
  ];
  return printConfiguration({ tree: mergeDocuments(documents).tree, sources: [] });
}

/**
 * Asks for all that an installation has to know, and writes nothing.
 * @throws Left where the person leaves
 */
export async function askAnswers(asker: Asker, circumstances: Circumstances): Promise<Answers> {
  const { node, advanced } = circumstances;
  const disks = await circumstances.disks();
  if (disks.every(({ state }) => state === 'refused')) {
    const list = disks.map(({ path, size, reason }) => `${path} (${formatSize(size)}): ${reason}`);
    asker.tell('There is no disk to install to', list.join('\n') || 'The machine shows none.');
    throw new Left();
  }
  const disk = await askDisk(asker, disks);
  const user = await askUser(asker, node.hasAdmin);
  const hostname = advanced
    ? await asker.text('Host name (empty: the system chooses)', { problem: hostnameRule })
    : '';
  const kubernetes: KubernetesChoice = advanced
    ? await askKubernetes(asker, node.kubernetes)
    : { role: 'none', args: [], url: '', token: '' };
  const prompted = advanced ? await askPrompts(asker, await circumstances.prompts()) : {};
  const own = advanced ? await askCloudConfig(asker, circumstances) : '';
  const cloudConfig = withAnswers(prompted, own);
  const after = await asker.choose<Afterwards>(
    'Afterwards?',
    [
      { value: 'reboot', label: 'Restart into the new system' },
      { value: 'poweroff', label: 'Power off' },
      { value: 'nothing', label: 'Stay in this live system' },
    ],
    'reboot',
  );
  return { ...disk, user, hostname, kubernetes, cloudConfig, after };
}

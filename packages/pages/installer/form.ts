import { answerProblems } from '../src/answer-rules.ts';
import type { Afterwards, Answers, KubernetesChoice } from '../src/installer-api.ts';
import { linesOf, wordsOf } from './words.ts';

/** What stands in the fields of the page. */
export interface Form {
  disk: string;
  erase: boolean;
  withUser: boolean;
  userName: string;
  password: string;
  repeat: string;
  /** One key a line. */
  keys: string;
  hostname: string;
  role: KubernetesChoice['role'];
  url: string;
  token: string;
  args: string;
  cloudConfig: string;
  after: Afterwards;
}

/** Fields as they are at first. */
export function emptyForm(hasAdmin: boolean): Form {
  return {
    ...{ disk: 'auto', erase: false, withUser: !hasAdmin, userName: 'kairos', password: '', repeat: '' },
    ...{
      keys: '',
      hostname: '',
      role: 'none',
      url: '',
      token: '',
      args: '',
      cloudConfig: '',
      after: 'reboot',
    },
  };
}

/** The fields as answers. */
export function answersOf(form: Form): Answers {
  const isKubernetes = form.role !== 'none';
  return {
    disk: form.disk,
    erase: form.erase,
    user: form.withUser
      ? { name: form.userName.trim(), password: form.password, sshKeys: linesOf(form.keys) }
      : undefined,
    hostname: form.hostname.trim(),
    kubernetes: {
      role: form.role,
      args: isKubernetes ? wordsOf(form.args) : [],
      url: isKubernetes ? form.url.trim() : '',
      token: isKubernetes ? form.token.trim() : '',
    },
    cloudConfig: form.cloudConfig,
    after: form.after,
  };
}

/** What is wrong with each field, by the name of the answer. */
export type Problems = Readonly<Record<string, string | undefined>>;

/** What is wrong with the fields. A problem of an entry of a list is told at the list. */
export function formProblems(form: Form, isPasswordShown = false): Problems {
  const problems: Record<string, string> = {};
  for (const { path, message } of answerProblems(answersOf(form))) {
    const [, list, index] = /^(.*)\.(\d+)$/.exec(path) ?? [];
    const text = index === undefined ? message : `Line ${Number(index) + 1}: ${message}`;
    problems[list ?? path] ??= list === 'kubernetes.args' ? message : text;
  }
  if (form.withUser && !isPasswordShown && form.password !== form.repeat && form.repeat !== '') {
    problems.repeat = 'This is not the same password';
  }
  return problems;
}

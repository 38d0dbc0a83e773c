import type { Answers } from './installer-api.ts';

/**
 * Rules for what a person types, for the page, the terminal and the server alike. Each gives what is wrong in words,
 * or `undefined`.
 */
type Rule = (text: string) => string | undefined;

/** Far more than anybody types, far less than what hurts. */
const longestLine = 4096;

/** One line without control characters. */
export const lineRule: Rule = (text) => {
  if (text.length > longestLine) return `This is longer than ${longestLine} characters`;
  return /[\u0000-\u001f\u007f]/.test(text)
    ? 'This has to be one line without control characters'
    : undefined;
};

const matches =
  (pattern: RegExp, problem: string): Rule =>
  (text) =>
    lineRule(text) ?? (pattern.test(text) ? undefined : problem);

/** A login name (useradd(8)). */
export const userNameRule: Rule = (text) =>
  text === 'root'
    ? 'root is there already; choose another name'
    : matches(
        /^[a-z_][a-z0-9_-]{0,30}$/,
        'A name begins with a small letter and goes on with small letters, digits, _ or -',
      )(text);

/** A key as `authorized_keys` has it, or where keys are fetched from. */
export const sshKeyRule = matches(
  /^((ssh-(rsa|ed25519|dss)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com) [A-Za-z0-9+/]{16,}={0,3}( .*)?|(github|gitlab):[A-Za-z0-9][A-Za-z0-9._-]*|https?:\/\/\S+)$/,
  'This is no public key: write ssh-ed25519 AAAA…, github:NAME, gitlab:NAME or a URL',
);

/** A host name (RFC 1123), a template that gives one on the node, or nothing. */
export const hostnameRule = matches(
  /^(|(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*|[A-Za-z0-9.-]*\{\{.+\}\}[A-Za-z0-9.-]*)$/,
  'A host name has letters, digits, - and dots; a template such as node-{{ trunc 4 .MachineID }} works too',
);

/** The URL of a Kubernetes server, or nothing. */
export const serverUrlRule = matches(
  /^(|https:\/\/[^\s/]+(:\d+)?\/?)$/,
  'The server is a URL such as https://10.0.0.1:6443',
);

/** The path of a disk, or `auto`. */
export const diskRule = matches(/^(auto|\/dev\/[^\s]+)$/, 'Choose a disk');

/** What is wrong with answers, each with the field that it belongs to. */
export interface AnswerProblem {
  /** `user.name`, `user.sshKeys.0`, ... */
  readonly path: string;
  readonly message: string;
}

/** Everything that is wrong with answers of the right form. */
export function answerProblems(answers: Answers): AnswerProblem[] {
  const problems: AnswerProblem[] = [];
  const check = (path: string, message: string | undefined) => {
    if (message !== undefined) problems.push({ path, message });
  };
  check('disk', diskRule(answers.disk));
  const { user, kubernetes } = answers;
  if (user) {
    check('user.name', userNameRule(user.name));
    check('user.password', lineRule(user.password));
    for (const [index, key] of user.sshKeys.entries()) check(`user.sshKeys.${index}`, sshKeyRule(key));
    if (user.password === '' && user.sshKeys.length === 0) {
      check('user.password', 'Give a password or a public key, so that the user can log in');
    }
  }
  check('hostname', hostnameRule(answers.hostname));
  if (kubernetes.role !== 'none') {
    for (const [index, word] of kubernetes.args.entries()) check(`kubernetes.args.${index}`, lineRule(word));
    check('kubernetes.url', serverUrlRule(kubernetes.url));
    check('kubernetes.token', lineRule(kubernetes.token));
    if (kubernetes.role === 'k3s-agent') {
      if (kubernetes.url === '')
        check('kubernetes.url', 'An agent needs the URL of the server that it joins');
      if (kubernetes.token === '') check('kubernetes.token', 'An agent needs the token of its server');
    }
  }
  return problems;
}

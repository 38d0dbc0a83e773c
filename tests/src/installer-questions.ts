/** Keys as a terminal sends them. */
export const keys = {
  enter: '\r',
  down: '\u001b[B',
  backspace: '\u007f',
  controlC: '\u0003',
} as const;

const { enter, down, backspace } = keys;

export interface TypedAnswers {
  /** Default: the name that stands there. */
  readonly user?: string;
  readonly password: string;
  readonly hostname: string;
  readonly afterwards: 'reboot' | 'nothing';
}

/** How each question of the terminal installer begins, with what somebody types to get to the next one, except for the last. */
export function installerQuestions(answers: TypedAnswers): readonly (readonly [string, string])[] {
  const { user, password, hostname, afterwards } = answers;
  const name = user === undefined ? '' : `${backspace.repeat('kairos'.length)}${user}`;
  return [
    ['Which disk?', enter],
    ['Create a user', enter],
    ['Name of the user', `${name}${enter}`],
    ['Password (empty', `${password}${enter}`],
    ['Password, once more', `${password}${enter}`],
    ['Public SSH key', enter],
    ['Host name', `${hostname}${enter}`],
    ['Kubernetes?', enter],
    ['File with further', enter],
    ['Afterwards?', `${afterwards === 'nothing' ? down.repeat(2) : ''}${enter}`],
    ['Install on /dev/vda?', 'y'],
  ];
}

/** Thrown where a person leaves instead of answering. */
export class Left extends Error {
  constructor() {
    super('left');
  }
}

export interface Choice<Value> {
  readonly value: Value;
  readonly label: string;
  readonly hint?: string | undefined;
  /** Shown and not to be chosen. */
  readonly disabled?: boolean;
}

export interface TextQuestion {
  /** What stands there to be changed or taken. */
  readonly initial?: string;
  /** What is wrong with an answer; it is asked again until nothing is. */
  readonly problem?: (text: string) => string | undefined;
  /** The answer is not shown. */
  readonly secret?: boolean;
}

/** Asks a person at a terminal. Every question throws {@link Left} at Ctrl-C, Esc, the end of input and `signal`. */
export interface Asker {
  choose<Value extends string>(
    question: string,
    choices: readonly Choice<Value>[],
    initial?: Value,
  ): Promise<Value>;
  text(question: string, options?: TextQuestion): Promise<string>;
  confirm(
    question: string,
    options?: { readonly initial?: boolean; readonly signal?: AbortSignal },
  ): Promise<boolean>;
  /** Shows something to read. */
  tell(title: string, text: string): void;
}

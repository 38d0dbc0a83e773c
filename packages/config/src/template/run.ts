import { TemplateFailure } from './failure.ts';

/** What one rendering may use at most. A template comes from whoever wrote the cloud-config, so it is hostile. */
export const limits = {
  /** Bytes of output, and characters of any one string on the way. */
  text: 16 * 1024 * 1024,
  /** Elements of a list that a function makes up, such as `until`. */
  listLength: 1_000_000,
  /** Nesting of actions, parentheses and template calls, counted together. */
  depth: 400,
  /** Characters of a name. */
  name: 256,
  /** Variables in scope at once: they are looked up one by one. */
  variables: 1000,
  /** Units of work. One evaluated node costs `nodeCost`, one character or element that a function handles costs 1. */
  work: 2 ** 25,
  nodeCost: 16,
} as const;

/** One rendering: what it has left to spend, and the clock that it sees. */
export class Run {
  #work: number = limits.work;

  /** @param clock milliseconds since 1970 */
  constructor(readonly clock: () => number = Date.now) {}

  /** @throws TemplateFailure when the rendering has used up its work */
  spend(units: number): void {
    this.#work -= units;
    if (this.#work < 0) {
      throw new TemplateFailure(
        `the template does more than ${limits.work / limits.nodeCost} steps of work`,
        'Look for a loop or a recursion without an end',
        true,
      );
    }
  }

  /** Refuses a text before it is built. */
  spendText(characters: number): void {
    if (characters > limits.text) {
      throw new TemplateFailure(
        `a text of ${characters} characters is over the limit of ${limits.text}`,
        undefined,
        true,
      );
    }
    this.spend(characters);
  }

  /** Refuses a list before it is built. */
  spendList(elements: number): void {
    if (elements > limits.listLength) {
      throw new TemplateFailure(
        `a list of ${elements} elements is over the limit of ${limits.listLength}`,
        undefined,
        true,
      );
    }
    this.spend(elements);
  }
}

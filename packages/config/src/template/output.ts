import { EvaluationError } from './evaluation-error.ts';
import { limits } from './run.ts';

/** What a template has written so far. */
export class Output {
  readonly #parts: string[] = [];
  #written = 0;

  /**
   * @param offset of the node that writes
   * @throws EvaluationError where it is no text, or over the limit
   */
  write(text: string, offset: number): void {
    if (!text.isWellFormed()) {
      throw new EvaluationError(
        'the result is not UTF-8 text',
        offset,
        'A character was cut in two, or binary data was decoded; b64enc makes text of it',
      );
    }
    this.#written += Buffer.byteLength(text);
    if (this.#written > limits.text) {
      throw new EvaluationError(`the output is over the limit of ${limits.text} bytes`, offset);
    }
    this.#parts.push(text);
  }

  get text(): string {
    return this.#parts.join('');
  }
}

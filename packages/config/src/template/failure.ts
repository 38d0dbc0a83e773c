/**
 * Thrown inside a function of the template language, where the position is not known; the evaluator turns it into a
 * KairosError with one.
 */
export class TemplateFailure extends Error {
  constructor(
    message: string,
    readonly hint?: string,
    /** True when the template ran into a limit: the name of the function is no news then. */
    readonly limit = false,
  ) {
    super(message);
    this.name = 'TemplateFailure';
  }
}

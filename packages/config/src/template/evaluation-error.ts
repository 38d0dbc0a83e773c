/** A template that fails while it runs. The renderer makes a KairosError `TEMPLATE_FAILED` of it. */
export class EvaluationError extends Error {
  constructor(
    message: string,
    /** In UTF-16 units of the template's text. */
    readonly offset: number,
    readonly hint?: string,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'EvaluationError';
  }
}

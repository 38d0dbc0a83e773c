/** A template that does not parse. The renderer makes a KairosError `TEMPLATE_INVALID` of it. */
export class TemplateSyntaxError extends Error {
  constructor(
    message: string,
    /** In UTF-16 units of the template's text. */
    readonly offset: number,
    readonly hint?: string,
  ) {
    super(message);
    this.name = 'TemplateSyntaxError';
  }
}

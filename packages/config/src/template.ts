/**
 * Go's text/template with the functions of sprig: the language in which cloud-configs compute values. What it offers
 * is in docs/templates.md.
 */
export interface TemplateOptions {
  /** The file that the text is from, for positions. */
  readonly file: string;
  /**
   * Where the text begins in its file, for positions. Lines and columns count from 1; `indent` is the number of
   * columns that were taken off every line after the first, as the indentation of a YAML block is.
   */
  readonly origin?: { readonly line: number; readonly column: number; readonly indent?: number };
  /** What a key that is not in the data gives: `<no value>` (default), or an error. */
  readonly missingKey?: 'default' | 'error';
  /** Default `{{` and `}}`. */
  readonly delimiters?: readonly [open: string, close: string];
  /**
   * Further functions, before those of the language. They get and give plain data: objects have no prototype, times
   * are Dates.
   */
  readonly functions?: Readonly<Record<string, (...args: unknown[]) => unknown>>;
  /** Milliseconds since 1970, for `now` and `ago`. Default: the machine's clock. */
  readonly clock?: () => number;
}

/**
 * Renders a template. The data is not changed; only own properties of objects, and entries of Maps, can be reached.
 * A template is untrusted: its nesting, its work and its output (16 MiB) are limited.
 * @throws KairosError `TEMPLATE_INVALID` when the text does not parse, `TEMPLATE_FAILED` when it fails while it runs;
 * both with the position
 */
export function renderTemplate(text: string, data: unknown, options: TemplateOptions): string {
  if (!text.includes(options.delimiters?.[0] || '{{')) return text;
  // Most texts are no templates: those do not load the language.
  const { render } = require('./template/render.ts') as typeof import('./template/render.ts');
  return render(text, data, options);
}

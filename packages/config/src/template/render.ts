import { KairosError, reasonOf } from '@kairos/facts/errors';
import type { TemplateOptions } from '../template.ts';
import { exportValue, importValue } from './data.ts';
import { evaluate } from './evaluate.ts';
import { EvaluationError } from './evaluation-error.ts';
import { TemplateFailure } from './failure.ts';
import { type TemplateFunction, takesMany } from './function.ts';
import { functionNamed, functionProblem } from './functions.ts';
import { type Delimiters, defaultDelimiters } from './lex.ts';
import { parse } from './parse.ts';
import { positionAt } from './position.ts';
import { limits, Run } from './run.ts';
import { TemplateSyntaxError } from './syntax-error.ts';

/** Renders a template that has actions; `renderTemplate` in `../template.ts` is the way in. */
export function render(text: string, data: unknown, options: TemplateOptions): string {
  const fail = (
    code: string,
    message: string,
    offset: number,
    hint: string | undefined,
    cause?: unknown,
  ): never => {
    const position = positionAt(text, offset, options.file, options.origin);
    throw new KairosError(code, `${position.file}:${position.line}:${position.column}: ${message}`, {
      exit: 'invalidInput',
      position,
      ...(hint === undefined ? {} : { hint }),
      ...(cause === undefined ? {} : { cause }),
    });
  };
  if (text.length > limits.text) {
    fail(
      'TEMPLATE_INVALID',
      `the template has ${text.length} characters; the limit is ${limits.text}`,
      0,
      undefined,
    );
  }
  const own = ownFunctions(options);
  const [open, close] = options.delimiters ?? defaultDelimiters;
  const delimiters: Delimiters = [open || defaultDelimiters[0], close || defaultDelimiters[1]];
  try {
    return evaluate({
      template: parse(text, { delimiters, functionProblem: (name) => functionProblem(name, own) }),
      data: importValue(data),
      run: new Run(options.clock),
      functions: (name) => own.get(name) ?? functionNamed(name),
      missingKeyFails: options.missingKey === 'error',
    });
  } catch (error) {
    if (error instanceof TemplateSyntaxError)
      return fail('TEMPLATE_INVALID', error.message, error.offset, error.hint);
    if (error instanceof EvaluationError) {
      return fail('TEMPLATE_FAILED', error.message, error.offset, error.hint, error.cause);
    }
    if (error instanceof TemplateFailure) return fail('TEMPLATE_FAILED', error.message, 0, error.hint);
    // Running out of stack or memory, for which the limits should leave no room.
    return fail('TEMPLATE_FAILED', reasonOf(error), 0, undefined, error);
  }
}

/** The functions of the caller. They see and give plain JavaScript data. */
function ownFunctions({ functions = {} }: TemplateOptions): Map<string, TemplateFunction> {
  return new Map(
    Object.entries(functions).map(([name, body]) => [
      name,
      takesMany([], 'any', (_, ...args) => importValue(body(...args.map(exportValue)))),
    ]),
  );
}

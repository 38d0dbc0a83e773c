import type { Readable, Writable } from 'node:stream';
import { confirm, isCancel, note, password, select, text, updateSettings } from '@clack/prompts';
import { type Asker, type Choice, Left, type TextQuestion } from './asker.ts';

export interface Terminal {
  readonly input: Readable;
  readonly output: Writable;
  /** Fires where the person cannot answer any more. */
  readonly signal: AbortSignal;
}

function answered<Value>(value: Value): Exclude<Value, symbol> {
  if (isCancel(value)) throw new Left();
  return value as Exclude<Value, symbol>;
}

/** Asks with lists that are moved in by arrows, for terminals that can move their cursor. */
export function clackAsker(terminal: Terminal): Asker {
  updateSettings({ aliases: { q: 'cancel' } });
  const { input, output, signal } = terminal;
  const common = { input, output, signal };
  return {
    async choose<Value extends string>(
      question: string,
      choices: readonly Choice<Value>[],
      initial?: Value,
    ): Promise<Value> {
      const options = choices.map(({ value, label, hint, disabled }) => ({
        ...{ value, label, disabled: disabled ?? false },
        ...(hint === undefined ? {} : { hint }),
      }));
      const chosen = await select<string>({
        ...{ ...common, message: question, options, maxItems: 8 },
        ...(initial === undefined ? {} : { initialValue: initial }),
      });
      return answered(chosen) as Value;
    },
    async text(question: string, { initial, problem, secret }: TextQuestion = {}): Promise<string> {
      const validate = (value: string | undefined) => problem?.(value ?? '');
      const given = secret
        ? await password({ ...common, message: question, validate })
        : await text({
            ...{ ...common, message: question, validate },
            ...(initial === undefined ? {} : { initialValue: initial }),
          });
      return answered(given) ?? '';
    },
    async confirm(question, options = {}) {
      return answered(
        await confirm({
          ...{ ...common, message: question, initialValue: options.initial ?? false },
          ...(options.signal ? { signal: AbortSignal.any([signal, options.signal]) } : {}),
        }),
      );
    },
    tell: (title, body) => note(body, title, { output, format: (line) => line }),
  };
}

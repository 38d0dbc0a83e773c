import type { Readable, Writable } from 'node:stream';
import { confirm, isCancel, note, password, select, text } from '@clack/prompts';
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

/**
 * Asks something that is answered by moving, where the key `q` leaves. The library's own alias of a key counts where
 * texts are typed as well, in which it is a letter.
 */
async function leavingAtQ<Value>(
  { input, signal }: Terminal,
  ask: (signal: AbortSignal) => Promise<Value>,
): Promise<Value> {
  const left = new AbortController();
  const onKey = (typed: string | undefined) => {
    if (typed?.toLowerCase() === 'q') left.abort();
  };
  input.on('keypress', onKey);
  try {
    return await ask(AbortSignal.any([signal, left.signal]));
  } finally {
    input.off('keypress', onKey);
  }
}

/** Asks with lists that are moved in by arrows, for terminals that can move their cursor. */
export function clackAsker(terminal: Terminal): Asker {
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
      const chosen = await leavingAtQ(terminal, (signal) =>
        select<string>({
          ...{ ...common, signal, message: question, options, maxItems: 8 },
          ...(initial === undefined ? {} : { initialValue: initial }),
        }),
      );
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
      const chosen = await leavingAtQ(terminal, (signal) =>
        confirm({
          ...{ ...common, message: question, initialValue: options.initial ?? false },
          signal: options.signal ? AbortSignal.any([signal, options.signal]) : signal,
        }),
      );
      return answered(chosen);
    },
    tell: (title, body) => note(body, title, { output, format: (line) => line }),
  };
}

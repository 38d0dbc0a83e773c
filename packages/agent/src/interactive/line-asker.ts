import type { Writable } from 'node:stream';
import { type Asker, type Choice, Left, type TextQuestion } from './asker.ts';
import type { Keys } from './keys.ts';

/** Ctrl-C, Ctrl-D, Esc. */
const isEnd = (key: string) => key === '\u0003' || key === '\u0004' || key === '\u001b';

/**
 * Asks line by line with numbers to choose from, for terminals that can do nothing but print. Input is read key by key,
 * so that Esc and Ctrl-C are seen and passwords are not.
 */
export function lineAsker(keys: Keys, output: Writable): Asker {
  const print = (text: string) => void output.write(text.replaceAll('\n', '\r\n'));

  async function line(options: {
    readonly secret?: boolean;
    readonly signal?: AbortSignal;
  }): Promise<string> {
    let typed = '';
    while (true) {
      const key = await keys.next(options.signal);
      if (key === undefined || isEnd(key)) {
        print('\n');
        throw new Left();
      }
      if (key === '\r' || key === '\n') {
        print('\n');
        return typed;
      }
      if (key === '\u007f' || key === '\b') {
        if (typed !== '' && !options.secret) print('\b \b');
        typed = [...typed].slice(0, -1).join('');
      } else if (!/[\u0000-\u001f]/.test(key)) {
        typed += key;
        if (!options.secret) print(key);
      }
    }
  }

  async function text(question: string, { initial, problem, secret }: TextQuestion = {}): Promise<string> {
    while (true) {
      print(`${question}${initial ? ` [${initial}]` : ''}: `);
      const given = await line(secret ? { secret } : {});
      const answer = given === '' && initial !== undefined ? initial : given;
      const wrong = problem?.(answer);
      if (wrong === undefined) return answer;
      print(`  ${wrong}\n`);
    }
  }

  return {
    text,
    async choose<Value extends string>(
      question: string,
      choices: readonly Choice<Value>[],
      initial?: Value,
    ): Promise<Value> {
      print(`\n${question}\n`);
      choices.forEach(({ label, hint, disabled }, index) => {
        print(`  ${disabled ? '-' : index + 1}) ${label}${hint ? ` (${hint})` : ''}\n`);
      });
      const at = choices.findIndex(({ value }) => value === initial);
      const answer = await text('Number, or q to leave', {
        ...(at < 0 ? {} : { initial: String(at + 1) }),
        problem: (given) => {
          const chosen = /^\d+$/.test(given) ? choices[Number(given) - 1] : undefined;
          if (given === 'q' || (chosen && !chosen.disabled)) return undefined;
          return chosen ? 'This one cannot be chosen' : `Type a number from 1 to ${choices.length}`;
        },
      });
      const chosen = answer === 'q' ? undefined : choices[Number(answer) - 1];
      if (!chosen) throw new Left();
      return chosen.value;
    },
    async confirm(question, options = {}) {
      while (true) {
        print(`${question} [${options.initial ? 'Y/n' : 'y/N'}]: `);
        const answer = (await line(options.signal ? { signal: options.signal } : {})).trim().toLowerCase();
        if (answer === '') return options.initial ?? false;
        if (answer === 'y' || answer === 'yes') return true;
        if (answer === 'n' || answer === 'no') return false;
        if (answer === 'q') throw new Left();
        print('  Type y or n\n');
      }
    },
    tell: (title, body) => print(`\n${title}\n${body.replaceAll(/^/gm, '  ')}\n\n`),
  };
}

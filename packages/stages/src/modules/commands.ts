import { KairosError } from '@kairos/facts/errors';
import { showCommand } from '@kairos/host/run';
import type { StageModule } from '../context.ts';

/** The error without the command: that is where the place points, and it may hold what is secret. */
function withoutCommand(error: unknown, argv: readonly string[]): unknown {
  const command = showCommand(argv);
  if (!(error instanceof KairosError) || !error.message.startsWith(command)) return error;
  return new KairosError(error.code, `the command${error.message.slice(command.length)}`, {
    exit: error.exit,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}

/** Runs each command in a shell; the next runs also if one fails. */
export const commands: StageModule = async (field, context) => {
  for (const item of field.items()) {
    if (item.empty) continue;
    await context.attempt(item, async () => {
      const command = context.render(item) ?? '';
      if (command.trim() === '') return;
      const argv = ['sh', '-c', command] as const;
      try {
        await context.host.run([...argv], { onLine: (line) => context.log(line) });
      } catch (error) {
        throw withoutCommand(error, argv);
      }
    });
  }
};

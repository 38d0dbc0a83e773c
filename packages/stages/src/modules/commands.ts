import type { StageModule } from '../context.ts';

/** Runs each command in a shell; the next runs also if one fails. */
export const commands: StageModule = async (field, context) => {
  for (const item of field.items()) {
    if (item.empty) continue;
    await context.attempt(item, async () => {
      const command = context.render(item) ?? '';
      if (command.trim() === '') return;
      await context.host.run(['sh', '-c', command], { onLine: (line) => context.log(line) });
    });
  }
};

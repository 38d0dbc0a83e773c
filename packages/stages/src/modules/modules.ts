import type { StageModule } from '../context.ts';

/** Loads kernel modules that are not loaded yet; a line may carry parameters. */
export const kernelModules: StageModule = async (field, context) => {
  const { host } = context;
  const loaded = (name: string) =>
    host.files.status(`/sys/module/${name.replaceAll('-', '_')}`) !== undefined;
  for (const item of field.items()) {
    await context.attempt(item, async () => {
      const [name, ...parameters] = (context.render(item) ?? '').trim().split(/\s+/);
      if (name === undefined || name === '' || loaded(name)) return;
      if (!/^[A-Za-z0-9_-]+$/.test(name) || name.startsWith('-')) {
        throw item.invalid('MODULE_INVALID', `${JSON.stringify(name)} cannot be the name of a kernel module`);
      }
      await host.run(['modprobe', name, ...parameters]);
    });
  }
};

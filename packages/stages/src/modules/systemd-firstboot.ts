import type { StageModule } from '../context.ts';

/** Options of systemd-firstboot that take no value. */
const flags = [
  'force',
  'copy',
  'copy-locale',
  'copy-keymap',
  'copy-timezone',
  'copy-root-password',
  'copy-root-shell',
  'setup-machine-id',
  'delete-root-password',
  'reset',
];

/** Runs systemd-firstboot with the given options. */
export const systemdFirstboot: StageModule = async (field, context) => {
  const options = field.entries().flatMap(([name, item]) => {
    if (!/^[a-z][a-z-]*$/.test(name)) {
      throw item.invalid(
        'OPTION_INVALID',
        `${JSON.stringify(name)} cannot be an option of systemd-firstboot`,
      );
    }
    if (flags.includes(name)) return item.empty || item.flag() !== false ? [`--${name}`] : [];
    return item.empty ? [] : [`--${name}=${context.render(item)}`];
  });
  if (options.length > 0) await context.host.run(['systemd-firstboot', ...options]);
};

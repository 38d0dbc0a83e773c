import type { StageModule } from '../context.ts';

const path = '/etc/systemd/timesyncd.conf.d/10-yip.conf';

/** Sets keys of `[Time]` for systemd-timesyncd. */
export const timesyncd: StageModule = (field, context) => {
  const lines = field.entries().map(([name, item]) => {
    const value = item
      .items()
      .map((one) => context.render(one) ?? '')
      .join(' ');
    if (!/^[A-Za-z]+$/.test(name) || value.includes('\n')) {
      throw item.invalid(
        'SETTING_INVALID',
        `${JSON.stringify(name)} with this value cannot be a line of timesyncd.conf`,
      );
    }
    return `${name}=${value}`;
  });
  if (lines.length > 0) context.host.files.write(path, `[Time]\n${lines.join('\n')}\n`);
};

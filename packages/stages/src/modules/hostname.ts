import type { StageModule } from '../context.ts';
import { writablePath } from '../links.ts';

const loopback = '127.0.0.1';

/** Whether a text can be a host name: labels of RFC 1123, 64 bytes at most as the kernel has it. */
export function isHostname(name: string): boolean {
  return (
    name.length <= 64 &&
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i.test(name)
  );
}

/** `/etc/hosts` with the loopback line naming the host; a line is added where there is none. */
export function hostsWith(text: string, hostname: string): string {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const entry = `${loopback} localhost ${hostname}`;
  const place = lines.findIndex((line) => line.trim().split(/\s+/)[0] === loopback);
  if (place < 0) lines.unshift(entry);
  else lines[place] = entry;
  return `${lines.join('\n')}\n`;
}

/** Names the machine: in the kernel, in `/etc/hostname` and in `/etc/hosts`. */
export const hostname: StageModule = async (field, context) => {
  const { files } = context.host;
  const name = (context.render(field) ?? '').trim();
  if (name === '') return;
  if (!isHostname(name)) {
    const hint = 'Use letters, digits and hyphens, with dots between labels of at most 63 characters';
    const message = `${JSON.stringify(name)} is not a host name by RFC 1123`;
    // The kernel takes more than the standard, and names such as `my_node` are in use.
    if (!/^[\w.-]{1,64}$/.test(name)) throw field.invalid('HOSTNAME_INVALID', message, hint);
    context.report({
      severity: 'warning',
      code: 'HOSTNAME_UNUSUAL',
      message,
      hint,
      position: field.position,
    });
  }
  await context.attempt(field, () => {
    files.write(writablePath(files, '/etc/hostname'), `${name}\n`);
  });
  await context.attempt(field, () => {
    const path = writablePath(files, '/etc/hosts');
    files.write(path, hostsWith(files.readTextIfAny(path) ?? '', name));
  });
  // Written in place: this is a knob of the kernel, not a file.
  await context.attempt(field, () => files.writeInPlace('/proc/sys/kernel/hostname', `${name}\n`));
};

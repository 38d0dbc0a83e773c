import type { StageModule } from '../context.ts';

/**
 * The file of a kernel parameter. As sysctl(8) has it, the first separator decides: after a `/`, dots are part of
 * names, so that `net/ipv4/conf/eth0.100/forwarding` can be said.
 */
export function sysctlPath(name: string): string | undefined {
  const first = /[./]/.exec(name)?.[0];
  const parts = first === '/' ? name.split('/') : name.split('.').map((part) => part.replaceAll('/', '.'));
  if (parts.some((part) => part === '' || part === '..' || part === '.' || part.includes('\0')))
    return undefined;
  return `/proc/sys/${parts.join('/')}`;
}

/** Sets kernel parameters. */
export const sysctl: StageModule = async (field, context) => {
  const { files } = context.host;
  for (const [name, item] of field.entries()) {
    if (item.empty) continue;
    await context.attempt(item, () => {
      const path = sysctlPath(name);
      if (path === undefined || files.status(path) === undefined) {
        throw item.invalid('SYSCTL_UNKNOWN', `this kernel has no parameter ${JSON.stringify(name)}`);
      }
      files.writeInPlace(path, `${context.render(item)}\n`);
    });
  }
};

import type { Host } from '@kairos/host/host';

/** An error of the system, as a disk that is full, failing or read-only gives it. */
export const systemError = (code: string): Error =>
  Object.assign(new Error(`${code}: the disk says so`), { code, syscall: 'test' });

/** For tests: a host on which what touches some paths fails with an error of the system. */
export function failingDisk(
  host: Host,
  code: string,
  paths: { readonly write?: RegExp; readonly read?: RegExp; readonly remove?: RegExp },
): Host {
  const { files } = host;
  const refuse = (pattern: RegExp | undefined, path: string) => {
    if (pattern?.test(path)) throw systemError(code);
  };
  return {
    ...host,
    files: {
      ...files,
      write(path, content, options) {
        refuse(paths.write, path);
        files.write(path, content, options);
      },
      readBytes(path) {
        refuse(paths.read, path);
        return files.readBytes(path);
      },
      readTextIfAny(path) {
        refuse(paths.read, path);
        return files.readTextIfAny(path);
      },
      real(path) {
        refuse(paths.read, path);
        return files.real(path);
      },
      remove(path) {
        refuse(paths.remove, path);
        files.remove(path);
      },
    },
  };
}

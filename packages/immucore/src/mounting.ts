import { KairosError, reasonOf } from '@kairos/facts/errors';
import type { Host, MountRequest } from '@kairos/host/host';
import type { BootContext } from './boot-context.ts';

/** errno of mount(2) for a file system type that the kernel does not know (yet). */
const ENODEV = 19;

/** Whether something is mounted on exactly this path. */
export function isMounted(host: Host, target: string): boolean {
  return host.mounts().some((mount) => mount.target === target);
}

/** Mounts, loading the file system's module where the kernel asks for it. */
export async function mountWithModule(host: Host, request: MountRequest): Promise<void> {
  try {
    host.mount(request);
  } catch (error) {
    if (!(error instanceof Error && 'errno' in error && error.errno === ENODEV)) throw error;
    try {
      await host.run(['modprobe', request.type]);
    } catch (cause) {
      throw new KairosError(
        'NO_FILESYSTEM_MODULE',
        `Cannot mount ${request.target}: the kernel has no ${request.type} (${reasonOf(cause)})`,
        { cause: error, hint: `The image's kernel needs the module ${request.type}` },
      );
    }
    host.mount(request);
  }
}

/** Mounts and notes the line for fstab, which names the source as the user did. */
export async function mountAndNote(
  context: BootContext,
  request: MountRequest,
  source: string = request.source,
): Promise<void> {
  await mountWithModule(context.host, request);
  context.mounted.push({ ...request, source });
}

/**
 * Makes sure that a mount point exists.
 * @throws KairosError `NO_MOUNT_POINT` where it does not and cannot be made, which is so on the read-only root
 */
export function ensureMountPoint(host: Host, path: string): void {
  if (host.files.exists(path)) return;
  try {
    host.files.makeDirectory(path);
  } catch (cause) {
    throw new KairosError(
      'NO_MOUNT_POINT',
      `${path} is not in the image and cannot be made: ${reasonOf(cause)}`,
      {
        cause,
        hint: `Add the directory ${path} to the image, or choose a path below one that is writable`,
      },
    );
  }
}

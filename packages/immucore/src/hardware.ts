import { reasonOf } from '@kairos/facts/errors';
import { paths } from '@kairos/facts/paths';
import type { Host } from '@kairos/host/host';

/** The initrd has loaded the modules of all devices itself; before anything is missed it loads those of quick disks. */
const loadedByInitrd = '/run/initramfs/hardware';
/** udev, in the initrd of a distribution, does so by itself. */
const udev = '/run/udev/control';

const busses = '/sys/bus';

/** The names by which modules know the devices that are on a bus now. */
function modaliases({ files }: Host): string[] {
  const found = new Set<string>();
  for (const bus of files.list(busses)) {
    for (const device of files.list(`${busses}/${bus}/devices`)) {
      const event = files.readTextIfAny(`${busses}/${bus}/devices/${device}/uevent`);
      const alias = /^MODALIAS=(.+)$/m.exec(event ?? '')?.[1];
      if (alias !== undefined) found.add(alias);
    }
  }
  return [...found];
}

/**
 * Loads the modules of all devices that are there and were not when it was asked before. Gives what went wrong so far.
 * @param why `missing`: something is not there, so that nothing is taken for loaded; `own-steps`: somebody's steps run next
 */
export type LoadHardware = (why: 'missing' | 'own-steps') => Promise<string | undefined>;

/**
 * Loads the modules of devices when it is asked to. An ordinary boot has all that it needs on the disk that it came from, so
 * the others wait for the init, unless something is asked for that is not there. The driver of a controller finds devices that
 * want drivers in turn, a stick on USB and its file system's disk for example: whoever waits asks again.
 *
 * @param note is told what went wrong, once: not everybody who asks can tell it
 */
export function hardwareOf(host: Host, note: (problem: string) => void): LoadHardware {
  const asked = new Set<string>();
  let problem: string | undefined;
  return async (why) => {
    if (host.files.exists(udev)) return undefined;
    if (why === 'own-steps' && host.files.exists(loadedByInitrd)) return undefined;
    const fresh = modaliases(host).filter((alias) => !asked.has(alias));
    for (const alias of fresh) asked.add(alias);
    if (fresh.length === 0) return problem;
    try {
      // 1: some have no module, which is nothing unusual.
      await host.run(['modprobe', '-a', '-b', '-q', ...fresh], { okCodes: [0, 1] });
    } catch (error) {
      if (problem === undefined) {
        problem = `not all devices have their drivers: ${reasonOf(error)}`;
        note(problem);
      }
    }
    return problem;
  };
}

/** The files of stages that come with every image; none of them wants another device. */
export const shippedStageFiles: ReadonlySet<string> = new Set([
  '00_rootfs.yaml',
  '01_extra_binds.yaml',
  '05_network.yaml',
  '06_user_data.yaml',
  '08_ssh.yaml',
  '09_boot_assessment.yaml',
  '10_accounting.yaml',
  '25_autologin.yaml',
  '50_recovery.yaml',
  '51_reset.yaml',
  '52_installer.yaml',
  '60_providers.yaml',
]);

/** A text about a stage that is longer than this is taken for one that has steps. */
const maximumSize = 2 * 1024 * 1024;

/**
 * Whether somebody's own steps run in a stage: they may look for any device. Told by the name of the stage in the text,
 * which errs on the side of loading.
 */
export function hasOwnSteps(host: Host, stage: string): boolean {
  const { files } = host;
  const word = stage.split('.', 1)[0] ?? stage;
  if (files.readTextIfAny('/proc/cmdline')?.includes(`${word}[`)) return true;
  const mentions = (path: string): boolean => {
    const status = files.status(path);
    if (status?.kind === 'directory') return files.list(path).some((name) => mentions(`${path}/${name}`));
    if (!/\.ya?ml$/.test(path)) return false;
    if (status?.kind !== 'file' || status.size > maximumSize) return true;
    return files.readText(path).includes(word);
  };
  const own = files.list(paths.systemOem).filter((name) => !shippedStageFiles.has(name));
  return [
    ...own.map((name) => `${paths.systemOem}/${name}`),
    ...[paths.oem, paths.cloudConfig].filter((path) => files.status(path) !== undefined),
  ].some(mentions);
}

import { reasonOf } from '@kairos/facts/errors';
import { type ExtensionProfile, extensionKinds } from '@kairos/facts/extensions';
import type { HostFiles } from '@kairos/host/host';
import type { ActionResult } from './execute-plan.ts';

/** Where systemd finds units, the image's own. */
const unitDirectory = '/usr/lib/systemd/system';
/** Units that the boot asks for, for this boot only. */
const wanted = '/run/systemd/system/sysinit.target.wants';

/**
 * Links the images that are enabled for this boot, those of its profile before those of every boot, and has systemd lay
 * them out: its units have each of them verified by the agent (`kairos-agent sysext merge`) before.
 */
export function linkExtensions(files: HostFiles, profile: ExtensionProfile): ActionResult {
  const problems: string[] = [];
  let count = 0;
  for (const [kind, { store, run, unit }] of Object.entries(extensionKinds)) {
    const linked = new Set<string>();
    for (const directory of [profile, 'common'] as const) {
      for (const name of files.list(`${store}/${directory}`)) {
        if (!name.endsWith('.raw') || linked.has(name)) continue;
        const image = `${store}/${name}`;
        // Whatever the link says: only images of the store are taken.
        if (files.status(image)?.kind !== 'file') {
          problems.push(`the ${kind} ${name} is enabled (${directory}), and ${image} is not there`);
          continue;
        }
        try {
          files.makeDirectory(run);
          files.symlink(image, `${run}/${name}`);
          linked.add(name);
        } catch (error) {
          problems.push(`the ${kind} ${name} cannot be linked: ${reasonOf(error)}`);
        }
      }
    }
    count += linked.size;
    if (linked.size === 0) continue;
    if (files.exists(`${unitDirectory}/${unit}`)) {
      files.symlink(`${unitDirectory}/${unit}`, `${wanted}/${unit}`);
    } else problems.push(`${linked.size} ${kind} are enabled, and this system has no ${unit}`);
  }
  return { problems, note: count === 0 ? 'none enabled' : `${count} linked` };
}

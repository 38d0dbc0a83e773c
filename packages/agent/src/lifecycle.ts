import { KairosError, reasonOf } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';

/** What becomes of the machine when an operation is done. */
export type Afterwards = 'nothing' | 'reboot' | 'poweroff';

/**
 * How the machine ends after an operation: as the command line says, else as the configuration does.
 * @throws KairosError `REBOOT_AND_POWEROFF`
 */
export function afterwards(
  flags: { readonly reboot?: boolean | undefined; readonly poweroff?: boolean | undefined },
  keys: { readonly reboot?: boolean | null | undefined; readonly poweroff?: boolean | null | undefined },
): Afterwards {
  if (flags.reboot && flags.poweroff) {
    throw new KairosError('REBOOT_AND_POWEROFF', '--reboot and --poweroff exclude each other', {
      exit: 'usage',
    });
  }
  if (flags.reboot) return 'reboot';
  if (flags.poweroff) return 'poweroff';
  if (keys.reboot) return 'reboot';
  return keys.poweroff ? 'poweroff' : 'nothing';
}

/**
 * Restarts the machine or switches it off. The init is asked first, so that services end in order; where there is
 * none that answers, it is done at once.
 */
export async function endMachine(
  host: Host,
  how: Exclude<Afterwards, 'nothing'>,
  warn: (message: string) => void,
): Promise<void> {
  await host.run(['sync']);
  if (host.files.exists('/run/systemd/system')) {
    try {
      await host.run(['systemctl', how]);
      return;
    } catch (error) {
      warn(`systemctl ${how} failed, using force: ${reasonOf(error)}`);
    }
  }
  await host.run([how, '-f']);
}

import { reasonOf } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';

/**
 * Restarts the machine or switches it off. The init is asked first, so that services end in order; where there is
 * none that answers, it is done at once.
 */
export async function endMachine(
  host: Host,
  how: 'reboot' | 'poweroff',
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

import { reasonOf } from '@kairos/facts/errors';
import type { Clock } from '@kairos/host/clock';
import type { Host } from '@kairos/host/host';

/**
 * Process ids of the keepers that the initrd started, one a line. Each holds a watchdog open and feeds it for the
 * time of a trial: TERM ends it and its watchdog, USR1 gives it the whole time again. docs/upgrade.md.
 */
export const keepersFile = '/run/initramfs/watchdog-keepers';

/** The processes that hold a watchdog of the trial. Numbers are given again once a keeper has ended. */
function keepers(host: Host): string[] {
  const text = host.files.readTextIfAny(keepersFile) ?? '';
  return text.split('\n').filter((line) => /^[1-9]\d*$/.test(line) && holdsWatchdog(host, line));
}

async function signalKeepers(host: Host, signal: 'TERM' | 'USR1'): Promise<void> {
  // One that ends in this instant is no reason to leave the others.
  for (const pid of keepers(host)) await host.run(['kill', `-${signal}`, pid], { okCodes: [0, 1] });
}

function holdsWatchdog({ files }: Host, pid: string): boolean {
  return files.list(`/proc/${pid}/fd`).some((name) => {
    try {
      return files.readLink(`/proc/${pid}/fd/${name}`).startsWith('/dev/watchdog');
    } catch {
      // Closed meanwhile.
      return false;
    }
  });
}

/** Tells the watchdogs of the trial that the health checks are under way, now and every minute; gives what stops that. */
export function keepWatchdogsFed(host: Host): () => void {
  const feed = () => {
    signalKeepers(host, 'USR1').catch(() => undefined);
  };
  feed();
  const timer = setInterval(feed, 60_000);
  return () => clearInterval(timer);
}

/** Milliseconds that the keepers have to let go of the watchdogs. */
const longestParting = 10_000;

/**
 * Ends the watch of the trial. With `watchdog:` in the configuration systemd takes the watchdog over, for good.
 * @param time milliseconds after which a machine that hangs is restarted
 */
export async function endWatch(
  host: Host,
  time: number | undefined,
  warn: (message: string) => void,
  clock: Clock,
): Promise<void> {
  try {
    await signalKeepers(host, 'TERM');
    if (time === undefined || !host.files.exists('/run/systemd/system')) return;
    // A watchdog has one owner at a time, and systemd before version 252 asks for it once.
    const end = clock.now() + longestParting;
    while (keepers(host).length > 0 && clock.now() < end) await clock.sleep(50);
    // A machine without one has the kernel's own.
    if (!host.files.exists('/dev/watchdog0')) await host.run(['modprobe', 'softdog']);
    await host.run([
      ...(['busctl', 'set-property', 'org.freedesktop.systemd1', '/org/freedesktop/systemd1'] as const),
      ...['org.freedesktop.systemd1.Manager', 'RuntimeWatchdogUSec', 't', String(time * 1000)],
    ]);
  } catch (error) {
    warn(`The watchdog could not be handed over: ${reasonOf(error)}`);
  }
}

import { reasonOf } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';

/**
 * Process ids of the keepers that the initrd started, one a line. Each holds a watchdog open and feeds it for the
 * time of a trial: TERM ends it and its watchdog, USR1 gives it the whole time again. docs/upgrade.md.
 */
export const keepersFile = '/run/initramfs/watchdog-keepers';

async function signalKeepers(host: Host, signal: 'TERM' | 'USR1'): Promise<number> {
  const text = host.files.readTextIfAny(keepersFile) ?? '';
  const pids = text.split('\n').filter((line) => /^[1-9]\d*$/.test(line));
  // The numbers are given again once a keeper has ended; only one that still holds a watchdog is meant.
  const held = pids.filter((pid) => holdsWatchdog(host, pid));
  for (const pid of held) await host.run(['kill', `-${signal}`, pid]);
  return held.length;
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

/**
 * Ends the watch of the trial. With `watchdog:` in the configuration systemd takes the watchdog over, for good.
 * @param time milliseconds after which a machine that hangs is restarted
 */
export async function endWatch(
  host: Host,
  time: number | undefined,
  warn: (message: string) => void,
): Promise<void> {
  try {
    await signalKeepers(host, 'TERM');
    if (time === undefined || !host.files.exists('/run/systemd/system')) return;
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

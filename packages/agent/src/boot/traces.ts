import { bootTraces, failureWord } from '@kairos/facts/boot-trace';
import { cmdlineValues } from '@kairos/facts/cmdline';
import type { Host, HostFiles } from '@kairos/host/host';
import { z } from 'zod';

/** What starts of slots on trial left on OEM, docs/upgrade.md. */
export interface BootTraces {
  /** By the initrd, when it had to give up. */
  readonly initrd?: { readonly image: string; readonly text: string };
  /** By immucore: how far it came. */
  readonly immucore?: z.infer<typeof traceSchema>;
}

const traceSchema = z.object({
  slot: z.string().optional(),
  image: z.string().optional(),
  step: z.enum(['immucore', 'immucore failed', 'init']),
  complaints: z.array(z.string()),
});

const place = (name: string) => `${bootTraces.directory}/${name}`;

/**
 * Reads the traces that a slot left with the image of this root hash. Others are of starts that are over, or of the
 * other slot, which may hold the same image.
 */
export function readTraces(files: HostFiles, slot: string, rootHash: string | undefined): BootTraces {
  if (rootHash === undefined) return {};
  const isOwn = (name: string | undefined) => name?.endsWith(`:/cOS/${slot}`) ?? false;
  const text = files.readTextIfAny(place(bootTraces.initrd));
  const image = /^verity=([0-9a-f]*)$/m.exec(text ?? '')?.[1];
  let value: unknown;
  try {
    value = JSON.parse(files.readTextIfAny(place(bootTraces.immucore)) ?? '');
  } catch {
    value = undefined;
  }
  const trace = traceSchema.safeParse(value);
  return {
    ...(text !== undefined && image === rootHash && isOwn(/^slot=(.*)$/m.exec(text)?.[1])
      ? { initrd: { image, text } }
      : {}),
    ...(trace.success && trace.data.image === rootHash && isOwn(trace.data.slot)
      ? { immucore: trace.data }
      : {}),
  };
}

export function removeTraces(files: HostFiles): void {
  for (const name of [bootTraces.initrd, bootTraces.immucore]) {
    if (files.exists(place(name))) files.remove(place(name));
  }
}

/** What GRUB's menu says about a slot that it could not load. */
const loadFailures: Readonly<Record<string, string>> = {
  'no-partition': 'its partition is not there',
  'no-system': 'it has no boot.cfg',
  'no-kernel': 'its kernel (vmlinuz) is missing',
  'no-initrd': 'its initrd is missing',
  kernel: 'its kernel (vmlinuz) is damaged',
  initrd: 'its initrd cannot be read',
};

/** Why the boot loader did not start a slot, by the kernel's command line; `undefined` where it did. */
export function loadFailureOf(cmdline: string, slot: string): string | undefined {
  for (const failure of cmdlineValues(cmdline, failureWord)) {
    const [name, what = ''] = failure.split(':');
    if (name === slot) return `the boot loader could not load it: ${loadFailures[what] ?? what}`;
  }
  return undefined;
}

/** A crash that the firmware or the memory kept over the restart (pstore); the end of the kernel's log. */
function crashDump(files: HostFiles): string[] {
  for (const directory of ['/sys/fs/pstore', '/var/lib/systemd/pstore']) {
    const name = files.list(directory).findLast((one) => one.startsWith('dmesg-'));
    if (name === undefined) continue;
    const text = files.readTextIfAny(`${directory}/${name}`);
    if (text !== undefined) return text.trimEnd().split('\n');
  }
  return [];
}

/** Lines that a record keeps. */
const longestLog = 80;

/**
 * Why a slot that had all its starts did not prove good, and the end of the log of its last start, as far as either
 * left anything.
 * @param journal reads the journal of the boot before this one, which is that of the slot only if its init ran
 */
export async function traceOf(
  host: Host,
  slot: string,
  rootHash: string | undefined,
  journal: () => Promise<string[]>,
): Promise<{ readonly reasons: string[]; readonly log: string[] }> {
  const { initrd, immucore } = readTraces(host.files, slot, rootHash);
  const dump = crashDump(host.files);
  const reasons = ['it had all its starts and none of them proved good'];
  if (dump.length > 0) reasons.push('the kernel left a crash dump');
  if (initrd !== undefined) {
    const lines = initrd.text.split('\n');
    const what = /CANNOT BOOT: (.*)$/m.exec(initrd.text)?.[1] ?? 'no reason was written';
    reasons.push(`the last start failed in the initrd: ${what}`, ...(immucore?.complaints ?? []));
    return { reasons, log: [...lines, ...dump].slice(-longestLog) };
  }
  if (immucore === undefined) {
    reasons.push(
      dump.length > 0
        ? 'that is all that its last start left'
        : 'its last start left no trace: its kernel did not start, or it stopped before the OEM partition was mounted',
    );
    return { reasons, log: dump.slice(-longestLog) };
  }
  reasons.push(
    {
      immucore: 'the last start stopped while immucore ran',
      'immucore failed': 'immucore failed in the last start',
      init: 'the init of the last start ran, and did not come to the health checks in time: it hung or crashed',
    }[immucore.step],
    ...immucore.complaints,
  );
  const log = immucore.step === 'init' ? await journal() : [];
  return { reasons, log: [...log, ...dump].slice(-longestLog) };
}

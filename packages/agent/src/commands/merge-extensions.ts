import { KairosError, reasonOf } from '@kairos/facts/errors';
import { type ExtensionKind, extensionKinds } from '@kairos/facts/extensions';
import type { Host } from '@kairos/host/host';
import { extensionPolicy } from '../extensions/policy.ts';
import { type ExtensionOutcome, keepExtensionRecord, readExtensionRecords } from '../extensions/record.ts';
import { readSeal } from '../extensions/store.ts';
import { verifyExtension } from '../extensions/verify.ts';
import { checkRoot } from '../operation.ts';

export interface MergeOptions {
  readonly kind: ExtensionKind;
  readonly warn: (message: string) => void;
}

/**
 * Where what is written to `/etc` goes while configuration extensions lie over it: systemd makes `/etc` read-only else,
 * and stage boot makes the users there. In memory, as `/etc` of a node is.
 */
export const writtenEtc = '/run/kairos-agent/etc';
const mutableLink = '/var/lib/extensions.mutable/etc';

/** The images of this node's store that the boot has linked; links that others made are systemd's to judge. */
function linkedImages(host: Host, kind: ExtensionKind): string[] {
  const { run, store } = extensionKinds[kind];
  return host.files
    .list(run)
    .filter(
      (name) =>
        host.files.status(`${run}/${name}`)?.kind === 'symlink' &&
        host.files.readLink(`${run}/${name}`) === `${store}/${name}`,
    );
}

/** systemd takes all extensions or none: one that is not good would take the others with it, so its link goes. */
async function verifyAll(host: Host, { kind, warn }: MergeOptions): Promise<ExtensionOutcome[]> {
  const { run, store } = extensionKinds[kind];
  const names = linkedImages(host, kind);
  // Its link is gone since the start, and it is enabled all the same.
  const outcomes = (readExtensionRecords(host.files) ?? []).filter(
    (one) =>
      one.kind === kind &&
      one.status === 'refused' &&
      !names.includes(one.name) &&
      host.files.exists(`${store}/${one.name}`),
  );
  for (const name of names) {
    try {
      const policy = await extensionPolicy(host, warn);
      const seal = readSeal(host.files, kind, name);
      await verifyExtension(host, `${store}/${name}`, { kind, name, policy, seal, warn });
      outcomes.push({ kind, name, status: 'merged' });
    } catch (error) {
      host.files.remove(`${run}/${name}`);
      outcomes.push({ kind, name, status: 'refused', reason: reasonOf(error) });
    }
  }
  return outcomes;
}

/** Why the last configuration extension is not taken away from a running system. */
export const lastConfext =
  'What was written to /etc since the start, the users too, lies over the configuration extensions and would go with the last of them: it stays until the next start';

const isMerged = (host: Host) =>
  host.mounts().findLast(({ target }) => target === '/etc')?.source === 'confext';

async function layOut(host: Host, { kind, warn }: MergeOptions): Promise<void> {
  const { program, run } = extensionKinds[kind];
  if (kind === 'sysext') {
    await host.run([program, 'refresh']);
    return;
  }
  if (host.files.list(run).length === 0 && isMerged(host)) {
    warn(lastConfext);
    return;
  }
  host.files.makeDirectory(writtenEtc, { mode: 0o755 });
  // What is there is of an image, or of somebody who wants it otherwise.
  if (host.files.status(mutableLink) === undefined) host.files.symlink(writtenEtc, mutableLink);
  await host.run([program, 'refresh', '--mutable=yes']);
  // systemd forbids programs in /etc then, where those of health checks and cron are.
  if (isMerged(host)) await host.run(['mount', '-o', 'remount,bind,nosuid,nodev,exec', '/etc']);
}

/**
 * Verifies what the boot has linked, takes away what is refused, has systemd lay out the rest, and keeps what became of
 * each for `kairos-agent state`. The units `systemd-sysext` and `systemd-confext` run this.
 * @throws KairosError `NOT_ROOT`, `EXTENSION_MERGE` where systemd does not lay them out
 */
export async function mergeExtensions(host: Host, options: MergeOptions): Promise<ExtensionOutcome[]> {
  checkRoot(host);
  const { kind } = options;
  let outcomes = await verifyAll(host, options);
  try {
    await layOut(host, options);
  } catch (error) {
    const reason = reasonOf(error);
    outcomes = outcomes.map((one) => (one.status === 'merged' ? { ...one, status: 'failed', reason } : one));
    throw new KairosError('EXTENSION_MERGE', `systemd does not lay out the ${kind}: ${reason}`, {
      exit: 'toolFailed',
      ...(kind === 'confext' ? { hint: 'Configuration extensions need systemd 256' } : {}),
      cause: error,
    });
  } finally {
    keepExtensionRecord(host.files, kind, outcomes);
  }
  return outcomes;
}

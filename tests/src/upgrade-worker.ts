/**
 * Upgrades the node on a disk in a process of its own, to be killed or measured: `upgrade-worker DEVICE ROOT_HASH SOURCE [booted]`,
 * the last in a mount namespace of its own. Prints how long it took and what memory.
 */
import { asBooted, bootedFrom, probeFilesystems, upgradeNode, withState } from './installed-node.ts';
import { machineWithVfat } from './loop-disk.ts';
import { peakMemory } from './peak-memory.ts';

const [, , device = '', rootHash = '', source = '', how = ''] = process.argv;
try {
  // A node has a udev that knows what is on its partitions, this machine may not: that is not counted.
  const known = probeFilesystems([2, 3, 4, 5, 6].map((number) => `${device}p${number}`));
  const host = bootedFrom(machineWithVfat(), device, 'ACTIVE', rootHash, {}, known);
  const mounted = how === 'booted' ? asBooted : withState;
  const seconds = await mounted(device, async () => {
    const started = performance.now();
    await upgradeNode(host, source);
    return (performance.now() - started) / 1000;
  });
  console.log(JSON.stringify({ seconds, megabytes: peakMemory() }));
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}

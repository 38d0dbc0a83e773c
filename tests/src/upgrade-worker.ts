/** Upgrades the node on a disk in a process of its own, to be killed: `upgrade-worker DEVICE ROOT_HASH SOURCE`. */
import { bootedFrom, upgradeNode, withState } from './installed-node.ts';
import { machineWithVfat } from './loop-disk.ts';

const [, , device = '', rootHash = '', source = ''] = process.argv;
try {
  const host = bootedFrom(machineWithVfat(), device, 'ACTIVE', rootHash);
  await withState(device, () => upgradeNode(host, source));
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}

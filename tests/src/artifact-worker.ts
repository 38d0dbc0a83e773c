/** Makes an artifact in a process of its own, for tests that do it as another user. Arguments: kind, slot, output, size. */
import { buildIso } from '@kairos/artifacts/iso';
import { buildRaw } from '@kairos/artifacts/raw';
import { machineHost } from '@kairos/host/machine';
import { bootFormFromDirectory } from '@kairos/oci/boot-form-directory';

const [kind, slot, output, size] = process.argv.slice(2);
if (!slot || !output || !size) throw new Error('expected iso|raw, slot, output, size of a raw disk');
const make = kind === 'iso' ? buildIso : buildRaw;
const artifact = await make(machineHost(), {
  bootForm: bootFormFromDirectory(slot),
  output,
  ...{ size: Number(size) },
  epoch: 1_700_000_000,
  cloudConfig: '#cloud-config\nhostname: tiny\n',
});
console.log(JSON.stringify({ ...artifact, uid: process.getuid?.() }));

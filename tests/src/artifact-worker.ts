/**
 * Makes an artifact in a process of its own, for tests that do it as another user. Arguments: kind, slot, output, and other
 * options as JSON.
 */
import { buildIso } from '@kairos/artifacts/iso';
import { buildRaw } from '@kairos/artifacts/raw';
import { machineHost } from '@kairos/host/machine';
import { bootFormFromDirectory } from '@kairos/oci/boot-form-directory';

const [kind, slot, output, options] = process.argv.slice(2);
if (!slot || !output || !options) throw new Error('expected iso|raw, slot, output, options');
const make = kind === 'iso' ? buildIso : buildRaw;
const artifact = await make(machineHost(), {
  bootForm: bootFormFromDirectory(slot),
  output,
  ...JSON.parse(options),
});
console.log(JSON.stringify({ ...artifact, uid: process.getuid?.() }));

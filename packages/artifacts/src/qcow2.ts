import type { Host } from '@kairos/host/host';
import { type Artifact, makeArtifact } from './artifact.ts';
import { readBootloaderPayload } from './bootloader-payload.ts';
import { neededForRaw, planRaw, type RawOptions, rawPrograms, writeRaw } from './raw.ts';
import { slotNames } from './slot-sources.ts';

/**
 * Makes the disk of `buildRaw` as a compressed qcow2 file for QEMU, libvirt and clouds. Same input, same bytes
 * with the same version of qemu-img.
 *
 * @throws KairosError what `buildRaw` throws, `TOOL_FAILED`
 */
export async function buildQcow2(host: Host, options: RawOptions): Promise<Artifact> {
  const { bootForm } = options;
  slotNames(bootForm);
  const plan = planRaw(options);
  const payload = await readBootloaderPayload(bootForm);
  const request = {
    options,
    programs: [...rawPrograms, 'qemu-img'],
    // The disk and, at worst, as much again.
    needed: 2 * neededForRaw(options),
  };
  return makeArtifact(host, request, async (workshop) => {
    await writeRaw({ ...workshop, artifact: 'disk.raw' }, options, plan, payload);
    // One coroutine and no writes out of order, or clusters would land where chance puts them.
    await workshop.run([
      ...(['qemu-img', 'convert', '-m', '1', '-c', '-f', 'raw', '-O', 'qcow2'] as const),
      ...['disk.raw', workshop.artifact],
    ]);
  });
}

import { join } from 'node:path';
import type { Host } from '@kairos/host/host';
import { type Artifact, makeArtifact } from './artifact.ts';
import { buildRaw, planRaw, type RawOptions } from './raw.ts';
import { slotSize } from './slot-sources.ts';

/**
 * Makes the disk of {@link buildRaw} as a compressed qcow2 file for QEMU, libvirt and clouds. Same input, same bytes
 * with the same version of qemu-img.
 *
 * @throws KairosError what {@link buildRaw} throws, `TOOL_FAILED`
 */
export async function buildQcow2(host: Host, options: RawOptions): Promise<Artifact> {
  planRaw(options);
  const needed = 6 * slotSize(options.bootForm);
  return makeArtifact(host, { options, programs: ['qemu-img'], needed }, async (workshop) => {
    const raw = join(workshop.folder, 'disk.raw');
    await buildRaw(host, { ...options, output: raw });
    // One coroutine and no writes out of order, or clusters would land where chance puts them.
    await workshop.run([
      ...(['qemu-img', 'convert', '-m', '1', '-c', '-f', 'raw', '-O', 'qcow2'] as const),
      ...['disk.raw', workshop.artifact],
    ]);
  });
}

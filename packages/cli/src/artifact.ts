import { readFileSync } from 'node:fs';
import type { Artifact, ArtifactProgress } from '@kairos/artifacts/artifact';
import type { MediumOptions } from '@kairos/artifacts/iso';
import { isSystemError, KairosError } from '@kairos/facts/errors';
import { machineHost } from '@kairos/host/machine';
import { interruptible } from './interrupt.ts';
import { openImage } from './open-image.ts';
import { ProgressLine } from './progress.ts';

export interface ArtifactRequest {
  readonly output: string;
  readonly cloudConfig?: string;
  readonly quiet: boolean;
  readonly size?: number;
  readonly medium?: MediumOptions;
}

const steps: Readonly<Record<ArtifactProgress['step'], string>> = {
  image: 'Checking the image',
  write: 'Writing',
  digest: 'Reading back',
};

/** The text of a file that the user named. */
function userText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = isSystemError(cause, 'ENOENT') ? 'there is no such file' : 'it cannot be read';
    throw new KairosError('FILE_NOT_FOUND', `Cannot use ${path}: ${reason}`, { exit: 'notFound', cause });
  }
}

/** Makes an artifact from an OS image, with progress, and stops cleanly on Ctrl-C. */
export async function buildArtifact(
  kind: 'iso' | 'raw',
  request: ArtifactRequest,
  image: string,
): Promise<Artifact> {
  const cloudConfig = request.cloudConfig === undefined ? undefined : userText(request.cloudConfig);
  const bootForm = await openImage(image);
  const line = new ProgressLine(process.stderr, request.quiet);
  const { signal, done } = interruptible();
  const options = {
    bootForm,
    output: request.output,
    epoch: bootForm.manifest.provenance.epoch,
    signal,
    onProgress: ({ step, done, total }: ArtifactProgress) =>
      line.report({ step, message: steps[step], done, total }),
    ...(cloudConfig === undefined ? {} : { cloudConfig, cloudConfigFile: request.cloudConfig ?? '' }),
  };
  try {
    if (kind === 'iso') {
      const { buildIso } = await import('@kairos/artifacts/iso');
      return await buildIso(machineHost(), {
        ...options,
        ...(request.medium === undefined ? {} : { medium: request.medium }),
      });
    }
    const { buildRaw } = await import('@kairos/artifacts/raw');
    return await buildRaw(machineHost(), {
      ...options,
      ...(request.size === undefined ? {} : { size: request.size }),
    });
  } finally {
    line.end();
    done();
  }
}

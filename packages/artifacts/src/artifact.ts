import { createHash } from 'node:crypto';
import { basename, dirname, join, resolve } from 'node:path';
import { isSystemError, KairosError, reasonOf } from '@kairos/facts/errors';
import { formatSize, MiB } from '@kairos/facts/size';
import type { Host, RunOptions, RunResult } from '@kairos/host/host';
import { checkOutputFile, outputNotWritable } from '@kairos/host/output-file';
import { requirePrograms } from '@kairos/host/required-programs';
import { readStream, throwIfStopped } from '@kairos/host/streams';
import { checkCloudConfig } from './cloud-config.ts';

export interface ArtifactProgress {
  /** `image`: files of the image are read and checked; `write`: the artifact is written; `digest`: it is read back. */
  readonly step: 'image' | 'write' | 'digest';
  /** Bytes done and to do in this step. */
  readonly done: number;
  readonly total: number;
}

/** What all artifacts are made with. */
export interface ArtifactOptions {
  /** The file to make. What has this name is replaced when the new one is whole. */
  readonly output: string;
  /** Seconds since 1970 for all times in the artifact (`SOURCE_DATE_EPOCH`). */
  readonly epoch: number;
  readonly cloudConfig?: string;
  /** The name of the cloud-config in messages, as the user gave it. */
  readonly cloudConfigFile?: string;
  /** Where files of the image are kept meanwhile that lie in an archive or registry. Default: beside the output. */
  readonly workDirectory?: string;
  readonly onProgress?: (progress: ArtifactProgress) => void;
  readonly signal?: AbortSignal;
}

export interface Artifact {
  readonly path: string;
  /** Bytes, holes included. */
  readonly size: number;
  readonly digest: string;
}

/** A folder beside the output in which an artifact grows under the name {@link Workshop.artifact}. */
export interface Workshop {
  readonly host: Host;
  readonly folder: string;
  /** Name of the growing artifact in `folder`. */
  readonly artifact: string;
  readonly epoch: number;
  readonly signal: AbortSignal | undefined;
  /** Runs a program in `folder`, in a fixed locale and time zone. */
  run(argv: readonly [string, ...string[]], options?: RunOptions): Promise<RunResult>;
}

function noSpace(output: string, needed: number, free: number, cause?: unknown): KairosError {
  return new KairosError(
    'NO_SPACE',
    `Not enough space for ${output}: about ${formatSize(needed)} are needed, ${formatSize(free)} are free`,
    {
      exit: 'noSpace',
      hint: 'Make room or give another output folder',
      cause,
      details: { path: output, needed, free },
    },
  );
}

const fullDisk = /No space left on device|Disk quota exceeded|Disk full|ENOSPC/i;

export interface ArtifactRequest {
  readonly options: ArtifactOptions;
  /** Programs that are used. */
  readonly programs: readonly string[];
  /** Bytes that are going to be written, about. */
  readonly needed: number;
}

function makeFolder(host: Host, folder: string, output: string): void {
  try {
    host.files.makeDirectory(folder);
  } catch (cause) {
    if (isSystemError(cause, 'ENOSPC', 'EDQUOT')) throw noSpace(output, 0, 0, cause);
    throw outputNotWritable(output, cause);
  }
}

/**
 * Makes an artifact so that nothing half-made ever has its name: `make` lets it grow in a folder beside; then it is
 * synced, read once for its digest, and renamed; `<output>.sha256` follows. Whatever fails, the folder goes away and
 * what was there before stays.
 *
 * @throws KairosError `YAML_INVALID`, `CLOUD_CONFIG_NOT_A_MAPPING`, `TOOL_MISSING`, `NO_SPACE`, `OUTPUT_IS_DIRECTORY`, `OUTPUT_IS_DEVICE`,
 *   `OUTPUT_NOT_WRITABLE`, `INTERRUPTED`, and what `make` throws
 */
export async function makeArtifact(
  host: Host,
  request: ArtifactRequest,
  make: (workshop: Workshop) => Promise<void>,
): Promise<Artifact> {
  const { options, needed } = request;
  const { signal, epoch } = options;
  if (!Number.isSafeInteger(epoch) || epoch < 0 || epoch > 0xffffffff) {
    throw new RangeError(`${epoch} is not a time in seconds since 1970 that file systems can hold`);
  }
  throwIfStopped(signal);
  if (options.cloudConfig !== undefined) {
    checkCloudConfig(options.cloudConfig, options.cloudConfigFile ?? 'cloud-config');
  }
  const tools = requirePrograms(host, request.programs);
  const output = resolve(options.output);
  checkOutputFile(host.files.real(output));
  const folder = join(dirname(output), `.${basename(output)}.${crypto.randomUUID().slice(0, 8)}`);
  makeFolder(host, folder, output);
  const free = () => host.freeSpace(host.files.real(dirname(output)));
  try {
    if (free() < needed) throw noSpace(output, needed, free());
    const workshop: Workshop = {
      host,
      folder,
      artifact: 'artifact',
      epoch,
      signal,
      run([program, ...rest], runOptions = {}) {
        throwIfStopped(signal);
        const env = {
          ...{ LC_ALL: 'C', TZ: 'UTC', SOURCE_DATE_EPOCH: String(epoch), MTOOLSRC: '/dev/null' },
          ...runOptions.env,
        };
        return host.run([tools.get(program) ?? program, ...rest], {
          cwd: host.files.real(folder),
          ...(signal === undefined ? {} : { signal }),
          ...runOptions,
          env,
        });
      },
    };
    await make(workshop);
    const grown = join(folder, workshop.artifact);
    host.files.sync(grown);
    const { size, digest } = await digestOf(host, grown, options);
    const checksum = `${output}.sha256`;
    // An old checksum beside a new artifact would be a lie, so it goes first.
    host.files.remove(checksum);
    host.files.chmod(grown, 0o644);
    host.files.rename(grown, output);
    host.files.write(checksum, `${digest.slice('sha256:'.length)}  ${basename(output)}\n`);
    return { path: output, size, digest };
  } catch (error) {
    throwIfStopped(signal);
    const full = isSystemError(error, 'ENOSPC', 'EDQUOT') || fullDisk.test(reasonOf(error));
    if (full && !(error instanceof KairosError && error.exit === 'noSpace')) {
      throw noSpace(output, needed, free(), error);
    }
    throw error;
  } finally {
    host.files.remove(folder);
  }
}

async function digestOf(host: Host, path: string, options: ArtifactOptions): Promise<Omit<Artifact, 'path'>> {
  const total = host.files.status(path)?.size ?? 0;
  const hash = createHash('sha256');
  let done = 0;
  let told = 0;
  for await (const chunk of readStream(host.files, path, options.signal ? { signal: options.signal } : {})) {
    hash.update(chunk);
    done += chunk.length;
    if (done - told >= Math.max(16 * MiB, total / 100) || done === total) {
      told = done;
      options.onProgress?.({ step: 'digest', done, total });
    }
  }
  return { size: done, digest: `sha256:${hash.digest('hex')}` };
}

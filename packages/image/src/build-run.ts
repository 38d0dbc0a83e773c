import { KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import type { RootTree } from '@kairos/host/root-tree';
import type { BuildOptions, BuildRequest } from './build-request.ts';

/** A build under way: what its steps work with. */
export interface Build {
  readonly host: Host;
  readonly request: BuildRequest;
  readonly options: BuildOptions;
  /** Directory for work. */
  readonly work: string;
  /** The root that becomes the image. */
  readonly tree: RootTree;
  /** What each step took. */
  readonly milliseconds: Record<string, number>;
}

export function interrupted(cause?: unknown): KairosError {
  return new KairosError('INTERRUPTED', 'The build was interrupted', {
    exit: 'interrupted',
    hint: 'Nothing was written under the final name.',
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * Tells of a step, does it and notes how long it took.
 * @throws KairosError `INTERRUPTED` before it begins
 */
export async function timed<T>(
  build: Build,
  name: string,
  message: string,
  action: () => Promise<T>,
): Promise<T> {
  if (build.options.signal?.aborted) {
    throw interrupted();
  }
  build.options.onProgress?.({ step: name, message });
  const started = performance.now();
  try {
    return await action();
  } finally {
    build.milliseconds[name] = Math.round(performance.now() - started);
  }
}

/** Waits for both to end before the first failure is passed on: what still runs must not write into what is removed. */
export async function together<A, B>(work: readonly [Promise<A>, Promise<B>]): Promise<[A, B]> {
  const [a, b] = await Promise.allSettled(work);
  if (a.status === 'rejected') throw a.reason;
  if (b.status === 'rejected') throw b.reason;
  return [a.value, b.value];
}

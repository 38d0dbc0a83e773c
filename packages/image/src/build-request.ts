import type { LocatedDefinition } from './definition.ts';

/** What long work tells about itself. */
export interface ProgressEvent {
  /** A short name of the step, stable for scripts. */
  readonly step: string;
  readonly message: string;
  readonly warning?: boolean;
}

export interface BuildRequest extends LocatedDefinition {
  /** Directory of the OCI layout. */
  readonly output: string;
  /** The executable that goes into the image; one beside it is taken where that fits the root and it does not. */
  readonly executable: string;
  /** Seconds since 1970 (`SOURCE_DATE_EPOCH`). Default: the later of the dates of kernel and os-release. */
  readonly epoch?: number;
  /** Bootstrap again even if the cache has the same packages. */
  readonly refresh?: boolean;
}

export interface BuildOptions {
  readonly onProgress?: (event: ProgressEvent) => void;
  /** Keeps bootstrapped roots. */
  readonly cacheDirectory: string;
  /** For what is made on the way: as much as two times the root. */
  readonly workDirectory: string;
  readonly signal?: AbortSignal;
}

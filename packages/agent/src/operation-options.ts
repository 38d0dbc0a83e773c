import type { RemoteReader } from '@kairos/config/remote';
import type { Host } from '@kairos/host/host';
import type { CollectedConfig } from './collect-config.ts';
import type { ReportProgress } from './progress.ts';
import type { ImageSource, SourceOptions } from './sources/image-source.ts';

/** How an operation that writes slots is asked for; each adds what is its own. */
export interface OperationOptions {
  /** `oci:`, `dir:`, `file:` or `ocifile:`; default: what the configuration says. */
  readonly source?: string;
  readonly dryRun?: boolean;
  readonly reboot?: boolean;
  readonly poweroff?: boolean;
  /** Problems of the configuration, and failing stages, end the operation. */
  readonly strict?: boolean;
  /** Follows `config_url`. */
  readonly remote?: RemoteReader;
  readonly onProgress: ReportProgress;
  /** Stops the operation; SIGINT and SIGTERM do as well. */
  readonly signal?: AbortSignal;
}

/** What such an operation needs of other packages. */
export interface OperationParts {
  openSource(host: Host, uri: string, options: SourceOptions): Promise<ImageSource>;
  runStage(
    host: Host,
    stage: string,
    config: CollectedConfig,
    extraPaths: readonly string[],
    tell: (line: string) => void,
  ): Promise<void>;
  now(): Date;
}

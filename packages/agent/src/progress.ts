/** What long work tells about itself. */
export interface Progress {
  /** A short name of the step, stable for scripts. */
  readonly step: string;
  readonly message: string;
  /** Bytes done and in all, where they are known. */
  readonly done?: number;
  readonly total?: number;
}

export type ReportProgress = (progress: Progress) => void;

/** Bytes are told no more often than this, in milliseconds. */
const tellInterval = 200;

/**
 * Lines for a program that drives the agent, one JSON object each:
 * `{"event":"step","step":"partition"}` when a part of the work begins and `{"event":"error","message":"..."}`.
 * With `detail`, also `{"event":"progress","step":"active","message":"...","done":1,"total":2}` for all that is reported.
 */
export function progressEvents(
  write: (line: string) => void,
  options: { readonly detail?: boolean; readonly now?: () => number } = {},
): {
  step(step: string): void;
  error(message: string): void;
  report(progress: Progress): void;
} {
  let last: string | undefined;
  let told: { message: string; at: number } | undefined;
  const now = options.now ?? performance.now.bind(performance);
  const line = (event: Readonly<Record<string, string | number>>) => write(`${JSON.stringify(event)}\n`);
  return {
    step(step) {
      if (step === last) return;
      last = step;
      line({ event: 'step', step });
    },
    error: (message) => line({ event: 'error', message }),
    report(progress) {
      if (!options.detail) return;
      const isEnd = progress.done !== undefined && progress.done === progress.total;
      const at = now();
      if (told && told.message === progress.message && at - told.at < tellInterval && !isEnd) return;
      told = { message: progress.message, at };
      line({ event: 'progress', ...progress });
    },
  };
}

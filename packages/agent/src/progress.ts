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

/**
 * Lines for a program that drives the agent, one JSON object each:
 * `{"event":"step","step":"partition"}` when a part of the work begins and `{"event":"error","message":"..."}`.
 */
export function progressEvents(write: (line: string) => void): {
  step(step: string): void;
  error(message: string): void;
} {
  let last: string | undefined;
  const line = (event: Readonly<Record<string, string>>) => write(`${JSON.stringify(event)}\n`);
  return {
    step(step) {
      if (step === last) return;
      last = step;
      line({ event: 'step', step });
    },
    error: (message) => line({ event: 'error', message }),
  };
}

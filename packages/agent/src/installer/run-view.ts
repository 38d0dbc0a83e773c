import type { Afterwards, ApiError, InstallationState, InstallationView } from '@kairos/pages/installer-api';

/** Parts of an installation with the share of the time that each takes, in hundredths; together 100. */
const shares = [
  ['prepare', 1],
  ['partition', 5],
  ['before-install', 1],
  ['active', 30],
  ['bootloader', 1],
  ['recovery', 28],
  ['passive', 29],
  ['after-install', 3],
  ['done', 2],
] as const;

const starts = new Map<string, { start: number; share: number }>();
shares.reduce((start, [phase, share]) => {
  starts.set(phase, { start, share });
  return start + share;
}, 0);

/** Lines of the log that are kept. */
const keptLines = 1000;

/** One line of what `manual-install` tells with `KAIROS_AGENT_PROGRESS=detail`. */
export type InstallEvent =
  | { readonly event: 'step'; readonly step: string }
  | { readonly event: 'error'; readonly message: string }
  | {
      readonly event: 'progress';
      readonly step: string;
      readonly message: string;
      readonly done?: number;
      readonly total?: number;
    };

/** Reads a line of the installation's output; `undefined` for one that is no event. */
export function parseEvent(line: string): InstallEvent | undefined {
  if (!line.startsWith('{"event":')) return undefined;
  try {
    return JSON.parse(line) as InstallEvent;
  } catch {
    return undefined;
  }
}

/** A view at the start of an installation. */
export function startedView(number: number, after: Afterwards, now: Date): InstallationView {
  return {
    ...{ number, after, state: 'running', started: now.toISOString(), phase: 'prepare', percent: 0 },
    ...{ message: 'preparing', warnings: [], log: [] },
  };
}

function withLine(view: InstallationView, line: string): InstallationView {
  return view.log.at(-1) === line ? view : { ...view, log: [...view.log.slice(1 - keptLines), line] };
}

function percentOf(view: InstallationView, step: string, part: number): number {
  const place = starts.get(step);
  if (!place) return view.percent;
  return Math.max(view.percent, Math.min(99, Math.floor(place.start + place.share * part)));
}

/** The view after an event. Never goes back, whatever order the events come in. */
export function afterEvent(view: InstallationView, event: InstallEvent): InstallationView {
  switch (event.event) {
    case 'step':
      return starts.has(event.step)
        ? { ...view, phase: event.step, percent: percentOf(view, event.step, 0) }
        : view;
    case 'error':
      return withLine(view, `error: ${event.message}`);
    case 'progress': {
      const { step, message, done, total } = event;
      if (step === 'warning') {
        return withLine({ ...view, warnings: [...view.warnings, message] }, `warning: ${message}`);
      }
      if (!starts.has(step)) return withLine(view, `${step}: ${message}`);
      const part = done !== undefined && total ? Math.min(1, done / total) : 0;
      return { ...withLine(view, message), message, percent: percentOf(view, step, part) };
    }
  }
}

/** The view at the end. */
export function endedView(
  view: InstallationView,
  state: Exclude<InstallationState, 'running'>,
  now: Date,
  more: Pick<InstallationView, 'installed' | 'error' | 'endsAt'>,
): InstallationView {
  const message = {
    succeeded: 'The installation has finished',
    failed: 'The installation has failed',
    stopped: 'The installation was stopped',
  }[state];
  return {
    ...withLine(view, more.error ? `error: ${more.error.message}` : message),
    ...{ ...more, state, message, finished: now.toISOString() },
    percent: state === 'succeeded' ? 100 : view.percent,
  };
}

/** The error as `--json` prints it on the last line of standard error. */
export function reportedError(stderr: string): ApiError | undefined {
  for (const line of stderr.trimEnd().split('\n').toReversed()) {
    if (!line.startsWith('{')) continue;
    try {
      const { error } = JSON.parse(line) as { error?: Partial<ApiError> };
      if (typeof error?.message !== 'string') continue;
      return {
        code: String(error.code ?? 'FAILED'),
        message: error.message,
        ...(typeof error.hint === 'string' ? { hint: error.hint } : {}),
      };
    } catch {
      // Not the line that is looked for.
    }
  }
  return undefined;
}

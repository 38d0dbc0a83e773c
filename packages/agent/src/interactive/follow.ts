import type { InstallationView } from '@kairos/pages/installer-api';
import type { Installer } from '../installer/installer.ts';
import { type Asker, Left } from './asker.ts';
import type { Keys } from './keys.ts';

export interface FollowOptions {
  readonly installer: Installer;
  readonly keys: Keys;
  /** Asks on its own; called while keys are not listened to. */
  readonly asker: Asker;
  readonly output: { write(text: string): unknown; readonly columns?: number };
  /** Whether a line can be drawn anew. */
  readonly canRedraw: boolean;
  /** Stops the installation without a question: the terminal is gone. */
  readonly signal: AbortSignal;
}

/** Shows the installation that runs until it ends. Ctrl-C asks whether it is to be stopped, and stops it. */
export async function followInstallation(options: FollowOptions): Promise<InstallationView> {
  const { installer, keys, asker, output, canRedraw, signal } = options;
  let shown = '';
  let quiet = false;
  const draw = (view: InstallationView) => {
    if (quiet || view.state !== 'running') return;
    const line = `${String(view.percent).padStart(3)} %  ${view.message}`.slice(
      0,
      (output.columns || 80) - 1,
    );
    if (line === shown) return;
    const isSameWork = shown.slice(5) === line.slice(5);
    if (canRedraw && isSameWork) output.write(`\r${line}`);
    // Where lines cannot be drawn anew, each tenth is told.
    else if (canRedraw || !isSameWork || view.percent % 10 === 0)
      output.write(`${shown === '' ? '' : '\r\n'}${line}`);
    else return;
    shown = line;
  };
  const unwatch = installer.watch(draw);
  const over = new AbortController();
  const ended = installer.ended().finally(() => over.abort());
  const stop = () => void installer.stop();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  keys.open();
  try {
    while (!over.signal.aborted) {
      const key = await keys.next(over.signal);
      if (key !== '\u0003') {
        // The end of input: nobody can stop it any more, and it goes on.
        if (key === undefined) break;
        continue;
      }
      quiet = true;
      keys.close();
      output.write('\r\n');
      try {
        const question = 'Stop the installation? What was on the disk is gone already';
        if (await asker.confirm(question, { signal: over.signal })) {
          output.write('Stopping...\r\n');
          await installer.stop();
          break;
        }
      } catch (error) {
        if (!(error instanceof Left)) throw error;
      }
      quiet = false;
      shown = '';
      keys.open();
      if (!over.signal.aborted) output.write('It goes on.\r\n');
    }
    return (await ended) as InstallationView;
  } finally {
    keys.close();
    unwatch();
    signal.removeEventListener('abort', stop);
    output.write('\r\n');
  }
}

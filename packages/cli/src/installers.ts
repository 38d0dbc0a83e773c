import { webui } from '@kairos/agent/commands/webui';
import { version } from '@kairos/facts/version';
import { machineHost } from '@kairos/host/machine';
import { installerPage } from '@kairos/pages/installer-page';
import { interruptible } from './interrupt.ts';

/** How this program calls itself as the agent: compiled it is one file, else the runtime runs its script. */
function ownAgent(): readonly [string, ...string[]] {
  const isCompiled = Bun.main.startsWith('/$bunfs/');
  return isCompiled ? [process.execPath, 'agent'] : [process.execPath, Bun.main, 'agent'];
}

/** Serves the web installer until a signal ends it. */
export async function serveWebui(flags: {
  readonly listen?: string;
  readonly http?: boolean;
  readonly source?: string;
  readonly json: boolean;
}): Promise<void> {
  const { signal, done } = interruptible();
  try {
    await webui(machineHost(), {
      ...{
        listen: flags.listen,
        source: flags.source,
        page: installerPage,
        agent: ownAgent(),
        version,
        signal,
      },
      ...(flags.http ? { http: true } : {}),
      say: (text) => (flags.json ? undefined : process.stdout.write(text)),
      ...(flags.json
        ? { onReady: (ready: object) => void process.stdout.write(`${JSON.stringify(ready)}\n`) }
        : {}),
    });
  } finally {
    done();
  }
}

/** Installs from this terminal; gives the exit code. */
export async function installInteractively(_flags: {
  readonly source?: string;
  readonly shell: boolean;
}): Promise<number> {
  return 1;
}

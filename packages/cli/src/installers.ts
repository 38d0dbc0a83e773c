import { interactiveInstall, otherInstaller } from '@kairos/agent/commands/interactive-install';
import { webui } from '@kairos/agent/commands/webui';
import { version } from '@kairos/facts/version';
import { machineHost } from '@kairos/host/machine';
import { installerPage } from '@kairos/pages/installer-page';
import { interruptible } from './interrupt.ts';
import { colourWanted, exitCodeOf, formatError } from './output.ts';

/** How this program calls itself as the agent: compiled it is one file, else the runtime runs its script. */
function ownAgent(): readonly [string, ...string[]] {
  const isCompiled = Bun.main.startsWith('/$bunfs/');
  return isCompiled ? [process.execPath, 'agent'] : [process.execPath, Bun.main, 'agent'];
}

/** Serves the web installer until a signal ends it. */
export async function serveWebui(flags: {
  readonly listen?: string;
  readonly http?: boolean;
  readonly unlessAutomatic: boolean;
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
      unlessAutomatic: flags.unlessAutomatic,
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

/** Runs a program on this terminal; gives its exit code. */
async function onTerminal(command: readonly string[]): Promise<number> {
  const child = Bun.spawn([...command], { stdin: 'inherit', stdout: 'inherit', stderr: 'inherit' });
  return child.exited;
}

/** Installs from this terminal; gives the exit code. */
export async function installInteractively(flags: {
  readonly source?: string;
  readonly shell: boolean;
}): Promise<number> {
  const host = machineHost();
  const other = otherInstaller(host, process.env);
  const gone = new AbortController();
  const leave = () => gone.abort();
  // Ctrl-C is a key while questions are asked; these come from elsewhere.
  for (const name of ['SIGHUP', 'SIGTERM'] as const) process.on(name, leave);
  const install = async () =>
    other === undefined
      ? await interactiveInstall(host, {
          ...{ source: flags.source, agent: ownAgent(), version, signal: gone.signal },
          ...{ input: process.stdin, output: process.stdout, environment: process.env },
        })
      : await onTerminal([other, ...(flags.source === undefined ? [] : ['--source', flags.source])]);
  let code: number;
  try {
    code = await install();
  } catch (error) {
    if (!flags.shell) throw error;
    // Told before the shell: behind it nobody would be left to read it.
    const colour = colourWanted(process.stderr, process.env);
    process.stderr.write(`${formatError(error, { colour, debug: Boolean(process.env.KAIROS_DEBUG) })}\n`);
    code = exitCodeOf(error);
  } finally {
    for (const name of ['SIGHUP', 'SIGTERM'] as const) process.off(name, leave);
  }
  if (flags.shell && !gone.signal.aborted) await onTerminal([process.env.SHELL || '/bin/sh', '-l']);
  return code;
}

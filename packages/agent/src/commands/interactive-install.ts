import type { ReadStream, WriteStream } from 'node:tty';
import { maximumFileSize } from '@kairos/config/collect';
import { exitCodes, KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { readAgentSettings } from '../agent-settings.ts';
import { Installer, type InstallerOptions } from '../installer/installer.ts';
import { type Asker, Left } from '../interactive/asker.ts';
import { clackAsker } from '../interactive/clack-asker.ts';
import { followInstallation } from '../interactive/follow.ts';
import { Keys } from '../interactive/keys.ts';
import { lineAsker } from '../interactive/line-asker.ts';
import { askAnswers } from '../interactive/questions.ts';
import { summaryOf } from '../interactive/summary.ts';
import { bootStateOfHost, checkRoot } from '../operation.ts';
import { nodeProviders } from '../providers/node-providers.ts';
import { installPrompts } from '../providers/questions.ts';

export interface InteractiveOptions {
  readonly source?: string | undefined;
  /** How the agent is called. */
  readonly agent: readonly [string, ...string[]];
  readonly version: string;
  readonly input: ReadStream;
  readonly output: WriteStream;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Fires where the terminal is gone. */
  readonly signal: AbortSignal;
  /** Plans without touching anything; for tests. */
  readonly plan?: InstallerOptions['plan'];
}

/** Installers that others bring, in the order in which they are looked for. */
const otherInstallers = ['/system/installer/installer', '/system/installer/kairos-installer'];

/**
 * The installer of somebody else that is to be run instead of ours: of `KAIROS_INSTALLER`, or one that the image brings.
 */
export function otherInstaller(
  host: Host,
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const named = environment.KAIROS_INSTALLER;
  return [...(named ? [named] : []), ...otherInstallers].find((path) => host.files.exists(path));
}

/** A serial console says that it has no size. */
function sized(output: WriteStream, environment: InteractiveOptions['environment']): WriteStream {
  const given = (names: readonly string[]) =>
    names.map((name) => Number(environment[name])).find((value) => Number.isInteger(value) && value > 0);
  const columns = given(['KAIROS_TUI_WIDTH']) ?? (output.columns || (given(['COLUMNS']) ?? 80));
  const rows = given(['KAIROS_TUI_HEIGHT']) ?? (output.rows || (given(['LINES']) ?? 24));
  Object.defineProperty(output, 'columns', { value: columns, configurable: true });
  Object.defineProperty(output, 'rows', { value: rows, configurable: true });
  return output;
}

function checkPrerequisites(host: Host, options: InteractiveOptions): void {
  checkRoot(host);
  if (options.input.isTTY !== true || options.output.isTTY !== true) {
    throw new KairosError('NO_TERMINAL', 'There is nobody to ask: this is not a terminal', {
      exit: 'usage',
      hint: 'Use kairos-agent manual-install with a cloud-config, or kairos-agent webui',
    });
  }
  if (options.source === undefined && bootStateOfHost(host) !== 'livecd') {
    throw new KairosError(
      'NOT_LIVE',
      'There is no image to install: the machine was not started from a live medium',
      {
        exit: 'wrongState',
        hint: 'Start from the ISO, or name an image with --source',
      },
    );
  }
}

/** Asks, shows the plan, and gives the answers that were agreed to. A plan that is refused leads back to the questions. */
async function agreedAnswers(asker: Asker, installer: Installer, host: Host, signal: AbortSignal) {
  const node = await installer.node();
  while (true) {
    const answers = await askAnswers(asker, {
      node,
      disks: () => installer.disks(),
      validate: (text) => installer.validate(text),
      readFile: (path) => {
        try {
          return host.files.readOrdinaryText(path, maximumFileSize);
        } catch {
          // A directory, a device, or a file that cannot be read: as good as none.
          return undefined;
        }
      },
      prompts: async () => {
        const warn = (message: string) => asker.tell('A plug-in', message);
        const { bus, config } = await nodeProviders(host, { warn, signal });
        return installPrompts(bus, config, warn);
      },
      advanced: readAgentSettings(host.files).advanced,
    });
    try {
      const plan = await installer.plan(answers, signal);
      asker.tell('This will be done', summaryOf(answers, plan));
      const erasing =
        plan.erases.length > 0 ? `Erase ${plan.disk.path} and install?` : `Install on ${plan.disk.path}?`;
      // The disk that was agreed to, whatever "auto" would choose by now.
      if (await asker.confirm(erasing)) return { ...answers, disk: plan.disk.path };
      throw new Left();
    } catch (error) {
      if (!(error instanceof KairosError)) throw error;
      if (signal.aborted) throw new Left();
      asker.tell('This cannot be installed', `${error.message}${error.hint ? `\n${error.hint}` : ''}`);
      if (!(await asker.confirm('Answer the questions again?', { initial: true }))) throw new Left();
    }
  }
}

/** Installs as somebody at the terminal answers; gives the exit code. */
export async function interactiveInstall(host: Host, options: InteractiveOptions): Promise<number> {
  checkPrerequisites(host, options);
  const { input, environment } = options;
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort();
  const signal = AbortSignal.any([options.signal, interrupted.signal]);
  const output = sized(options.output, environment);
  const isDumb = environment.TERM === 'dumb' || environment.TERM === undefined || environment.TERM === '';
  const keys = new Keys(input);
  const asker = isDumb ? lineAsker(keys, output) : clackAsker({ input, output, signal });
  const installer = new Installer(host, {
    ...{
      agent: options.agent,
      source: options.source,
      branding: 'interactiveInstall',
      version: options.version,
    },
    ...(options.plan ? { plan: options.plan } : {}),
  });
  const say = (text: string) => void output.write(`${text}\r\n`);
  const stop = () => void installer.stop();
  signal.addEventListener('abort', stop, { once: true });
  // Ctrl-C is a key while somebody is asked, and a signal while they wait for a plan.
  process.on('SIGINT', interrupt);
  try {
    const { image, text } = await installer.node();
    say(
      `\r\nInstallation of ${image || 'this system'}. Esc or Ctrl-C leaves; nothing is written before the end.`,
    );
    if (text !== '') say(text.replaceAll('\n', '\r\n'));
    if (isDumb) keys.open();
    const answers = await agreedAnswers(asker, installer, host, signal);
    await installer.start(answers).catch((error: unknown) => {
      throw signal.aborted ? new Left() : error;
    });
    if (isDumb) keys.close();
    const view = await followInstallation({
      ...{ installer, keys, output, signal, canRedraw: !isDumb },
      asker: isDumb ? openedWhileAsking(asker, keys) : asker,
    });
    if (view.state === 'succeeded') {
      const { installed } = view;
      say(
        installed ? `Installed ${installed.name} ${installed.version} on ${installed.disk}.` : view.message,
      );
      for (const warning of view.warnings) say(`Warning: ${warning}`);
      if (view.after !== 'nothing') await endAfter(installer, keys, view.after, say);
      return 0;
    }
    say(
      view.error && view.state === 'failed' ? `${view.message}: ${view.error.message}` : `${view.message}.`,
    );
    if (view.state === 'failed' && view.error?.hint) say(view.error.hint);
    return view.state === 'stopped' ? exitCodes.interrupted : exitCodes.failure;
  } catch (error) {
    if (!(error instanceof Left)) throw error;
    say('\r\nLeft. Nothing was written.');
    return exitCodes.interrupted;
  } finally {
    process.off('SIGINT', interrupt);
    signal.removeEventListener('abort', stop);
    keys.close();
  }
}

/** The lines of a dumb terminal come by the same keys, which somebody else may have closed. */
function openedWhileAsking(asker: Asker, keys: Keys): Asker {
  return {
    ...asker,
    async confirm(question, options) {
      keys.open();
      try {
        return await asker.confirm(question, options);
      } finally {
        keys.close();
      }
    },
  };
}

/** Waits for the end of the machine, unless a key keeps it running. */
async function endAfter(
  installer: Installer,
  keys: Keys,
  how: 'reboot' | 'poweroff',
  say: (text: string) => void,
): Promise<void> {
  const ends = installer.current?.endsAt;
  if (ends === undefined) return;
  const seconds = Math.max(1, Math.round((Date.parse(ends) - Date.now()) / 1000));
  say(
    `The machine ${how === 'reboot' ? 'restarts' : 'powers off'} in ${seconds} s. Enter does it now, any other key keeps it running.`,
  );
  const over = new AbortController();
  const unwatch = installer.watch((view) => {
    if (view.endsAt === undefined) over.abort();
  });
  keys.open();
  try {
    const key = await keys.next(over.signal);
    if (key === '\r' || key === '\n') await installer.end(how);
    else if (key !== undefined) {
      installer.cancelEnd();
      say('It keeps running.');
    }
  } finally {
    unwatch();
    keys.close();
  }
}

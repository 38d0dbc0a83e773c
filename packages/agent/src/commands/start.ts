import { bootStateNames } from '@kairos/facts/boot-state';
import { KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { applyGrubOptions, grubOptionsOf } from '../boot/grub-options.ts';
import { bundleTask } from '../bundles/node-bundles.ts';
import { isMapping } from '../collect-config.ts';
import { agentStateDirectory, type FirstBootTask, runFirstBoot } from '../first-boot.ts';
import { bootStateOfHost, checkRoot } from '../operation.ts';
import type { Published } from '../providers/bus.ts';
import {
  type NodeProviderOptions,
  type NodeProviders,
  nodeProviders,
  providersOf,
} from '../providers/node-providers.ts';
import { runHookStage } from '../stages/hooks.ts';

/** Where plug-ins write their own log. */
const providerLog = '/var/log/kairos/agent-provider.log';
export const defaultApi = 'http://127.0.0.1:8080';
/** Milliseconds before the first repetition with `restart`; doubled up to the longest. */
const firstPause = 2000;
const longestPause = 60_000;

export interface StartOptions extends NodeProviderOptions {
  /** The address of the node's mesh interface, for plug-ins. */
  readonly api?: string;
  /** Start again where a plug-in failed, instead of ending with an error. */
  readonly restart?: boolean;
  /** Repeat the tasks of the first boot; start on a medium that is about to install too. */
  readonly force?: boolean;
  readonly now?: () => Date;
  readonly sleep?: (milliseconds: number, signal: AbortSignal | undefined) => Promise<void>;
}

export interface StartResult {
  /** - `nothing-to-start`: a live medium that is about to install. */
  readonly outcome: 'started' | 'nothing-to-start';
  /** Whether all tasks of the first boot are done; `undefined` where the node keeps no state. */
  readonly firstBootDone: boolean | undefined;
  readonly failures: Published['failures'];
}

/** Tasks of the first boot that come from other parts. */
export type ExtraTasks = (node: NodeProviders) => readonly FirstBootTask[];

function firstBootTasks(host: Host, node: NodeProviders, options: StartOptions, extra: ExtraTasks) {
  const { collected } = node;
  const paths = collected.config['cloud-init-paths'];
  const tell = options.tell ?? (() => undefined);
  const tasks: FirstBootTask[] = [
    ...extra(node),
    {
      name: 'grub_options',
      fatal: false,
      async run() {
        const changed = await applyGrubOptions(host, grubOptionsOf(collected.config), {
          warn: options.warn,
          now: options.now ?? (() => new Date()),
        });
        if (changed.length > 0) tell(`GRUB: set ${changed.join(', ')}`);
      },
    },
    {
      name: 'the stage first-boot',
      fatal: collected.config.strict === true,
      run: () =>
        runHookStage(
          host,
          'first-boot',
          collected,
          Array.isArray(paths) ? paths.filter((path) => typeof path === 'string') : [],
          tell,
        ),
    },
  ];
  return tasks;
}

function ownTasks(
  host: Host,
  config: Readonly<Record<string, unknown>>,
  options: StartOptions,
): FirstBootTask[] {
  const task = bundleTask(host, config, {
    tell: options.tell ?? (() => undefined),
    warn: options.warn,
    now: options.now ?? (() => new Date()),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  return task === undefined ? [] : [task];
}

/** Starts what a configuration asks for besides plug-ins. */
async function startPhoneHome(host: Host, config: Readonly<Record<string, unknown>>): Promise<void> {
  const phonehome = isMapping(config.phonehome) ? config.phonehome : {};
  // Other init systems have a script that looks at the configuration itself.
  if (!phonehome.url || !host.files.exists('/run/systemd/system')) return;
  await host.run(['systemctl', 'start', '--no-block', 'kairos-agent-phonehome.service']);
}

const defaultSleep = (milliseconds: number, signal: AbortSignal | undefined) =>
  new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });

/**
 * What the service does at boot: the tasks of a first boot, then `agent.bootstrap` for the plug-ins, one of which may
 * run for as long as the node does.
 * @throws KairosError `NOT_ROOT`, `FIRST_BOOT_FAILED`, `BOOTSTRAP_FAILED`
 */
export async function start(
  host: Host,
  options: StartOptions,
  extra: ExtraTasks = ({ collected }) => ownTasks(host, collected.config, options),
): Promise<StartResult> {
  checkRoot(host);
  const state = bootStateOfHost(host);
  const tell = options.tell ?? (() => undefined);
  let node = await nodeProviders(host, options);
  const install = isMapping(node.collected.config.install) ? node.collected.config.install : {};
  if (state === 'livecd' && install.auto === true && !options.force) {
    tell('This medium is about to install; nothing is started');
    return { outcome: 'nothing-to-start', firstBootDone: undefined, failures: [] };
  }
  let firstBootDone: boolean | undefined;
  if (state === 'active' || state === 'passive') {
    host.files.makeDirectory(agentStateDirectory, { mode: 0o700 });
    firstBootDone = await runFirstBoot(host.files, firstBootTasks(host, node, options, extra), {
      force: options.force ?? false,
      warn: options.warn,
      now: options.now ?? (() => new Date()),
    });
    // A bundle may have brought a plug-in.
    node = providersOf(host, node.collected, options);
  } else {
    tell(`The tasks of the first boot wait for the installed system (this is ${bootStateNames[state]})`);
  }
  await startPhoneHome(host, node.collected.config).catch((error: unknown) => {
    options.warn(`Phone-home does not run: ${error instanceof Error ? error.message : error}`);
  });
  host.files.makeDirectory('/var/log/kairos');
  const payload = { api: options.api ?? defaultApi, config: node.config, logfile: providerLog };
  const sleep = options.sleep ?? defaultSleep;
  for (let pause = firstPause; ; pause = Math.min(2 * pause, longestPause)) {
    const { failures } = await node.bus.publish('agent.bootstrap', payload);
    if (failures.length === 0) return { outcome: 'started', firstBootDone, failures };
    if (!options.restart || options.signal?.aborted) {
      throw new KairosError('BOOTSTRAP_FAILED', failures.map(({ reason }) => reason).join('\n'), {
        exit: 'toolFailed',
        hint: `The plug-in's own log is ${providerLog}`,
        details: { failures },
      });
    }
    tell(`Starting again in ${pause / 1000} s`);
    await sleep(pause, options.signal);
  }
}

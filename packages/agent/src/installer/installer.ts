import { configDirectories } from '@kairos/config/collect';
import { formatProblem, hasErrors } from '@kairos/config/problem';
import { KairosError, reasonOf } from '@kairos/facts/errors';
import { paths } from '@kairos/facts/paths';
import { slotDirectory, slotFiles } from '@kairos/facts/slot';
import type { Host, HostFiles } from '@kairos/host/host';
import type {
  Answers,
  DiskChoice,
  InstallationView,
  NodeView,
  PlanView,
  Validation,
} from '@kairos/pages/installer-api';
import { readAgentSettings } from '../agent-settings.ts';
import { collectConfig } from '../collect-config.ts';
import { type InstallOptions, type InstallResult, install } from '../commands/install.ts';
import { validateText } from '../configuration.ts';
import { hasAdmin } from '../install/config.ts';
import { endMachine } from '../lifecycle.ts';
import { type ConfigOptions, cloudConfigOf, maskedConfig } from './cloud-config.ts';
import { diskChoices } from './disks.ts';
import { afterEvent, endedView, parseEvent, reportedError, startedView } from './run-view.ts';

/** Where the configuration lies while it is installed; `/run` is memory. */
const workDirectory = '/run/kairos-installer';

/** Time to read the result before the machine restarts, in milliseconds. */
const lifecycleDelay = 15_000;

export interface InstallerOptions {
  /** How the agent is called. */
  readonly agent: readonly [string, ...string[]];
  /** Image to install; default: the live medium's. */
  readonly source?: string | undefined;
  /** Which text of the branding is shown. */
  readonly branding: 'install' | 'interactiveInstall';
  readonly version: string;
  readonly now?: () => Date;
  /** Plans without touching anything. Default: `install` of this process. */
  readonly plan?: (host: Host, options: InstallOptions) => Promise<InstallResult>;
}

type Listener = (view: InstallationView) => void;

/** Name and version of the image that runs; empty where nothing says it. */
function runningImage(files: HostFiles): string {
  const release = files.readTextIfAny(paths.kairosRelease) ?? '';
  const value = (key: string) => new RegExp(`^${key}="?([^"\\n]*)"?$`, 'm').exec(release)?.[1] ?? '';
  return `${value('KAIROS_NAME')} ${value('KAIROS_VERSION')}`.trim();
}

/** Installs as a person answers: behind the web page and the terminal. One installation at a time. */
export class Installer {
  private view: InstallationView | undefined;
  private running: { controller: AbortController; ended: Promise<InstallationView | undefined> } | undefined;
  private ending: ReturnType<typeof setTimeout> | undefined;
  private readonly listeners = new Set<Listener>();
  private readonly now: () => Date;
  private count = 0;

  constructor(
    readonly host: Host,
    private readonly options: InstallerOptions,
  ) {
    this.now = options.now ?? (() => new Date());
  }

  /** The installation that runs or ran last. */
  get current(): InstallationView | undefined {
    return this.view;
  }

  /** Calls back at every change until the function that it gives is called. */
  watch(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async node(): Promise<NodeView> {
    const { files } = this.host;
    return {
      image: runningImage(files),
      version: this.options.version,
      hostname: (files.readTextIfAny('/proc/sys/kernel/hostname') ?? '').trim(),
      text: readAgentSettings(files).branding[this.options.branding] ?? '',
      kubernetes: this.hasKubernetes(),
      hasAdmin: await this.hasAdmin(''),
      installation: this.view,
    };
  }

  disks(): Promise<DiskChoice[]> {
    return diskChoices(this.host, this.slotSize());
  }

  /** What is wrong with a cloud-config by itself. An empty one is right. */
  validate(text: string): Validation {
    if (text.trim() === '') return { valid: true, problems: [] };
    const { problems, sourceOf } = validateText(text, 'cloud-config', false);
    return {
      valid: !hasErrors(problems),
      problems: problems.map((problem) => ({
        severity: problem.severity,
        code: problem.code,
        message: problem.message,
        ...(problem.hint === undefined ? {} : { hint: problem.hint }),
        line: problem.position.line,
        column: problem.position.column,
        text: formatProblem(problem, sourceOf),
      })),
    };
  }

  /** What an installation would do; throws where it would be refused, and where the signal fires. */
  async plan(answers: Answers, signal?: AbortSignal): Promise<PlanView> {
    return this.withConfig(answers, async (files, config) => {
      const { plan, warnings } = await (this.options.plan ?? install)(this.host, {
        ...this.installOptions(answers, files),
        ...{ dryRun: true, ignoreSignals: true, onProgress: () => undefined },
        ...(signal === undefined ? {} : { signal }),
      });
      return {
        disk: plan.disk,
        image: { name: plan.image.name, version: plan.image.version, size: plan.image.size },
        erases: plan.erases,
        partitions: plan.partitions.map(({ path, name, label, filesystem, size }) => ({
          ...{ path, name, label, filesystem, size },
        })),
        warnings,
        cloudConfig: maskedConfig(answers, config),
        after: plan.after,
      };
    });
  }

  /**
   * Begins an installation.
   * @throws KairosError `INSTALL_RUNNING`; whatever {@link plan} throws
   */
  async start(answers: Answers): Promise<InstallationView> {
    this.checkIdle();
    const controller = new AbortController();
    let resolve: (view: InstallationView | undefined) => void = () => undefined;
    // Taken before the first wait, so that a second request meets it.
    this.running = {
      controller,
      ended: new Promise((done) => {
        resolve = done;
      }),
    };
    this.cancelEnd();
    try {
      const { after } = await this.plan(answers, controller.signal);
      controller.signal.throwIfAborted();
      this.show(startedView(++this.count, after, this.now()));
    } catch (error) {
      this.running = undefined;
      resolve(this.view);
      if (!controller.signal.aborted) throw error;
      throw new KairosError('INSTALL_STOPPED', 'The installation was stopped before it began', {
        exit: 'interrupted',
      });
    }
    const started = this.view as InstallationView;
    void this.carryOut(answers, controller.signal).then((view) => {
      this.running = undefined;
      this.show(view);
      if (view.endsAt !== undefined && view.after !== 'nothing') this.endLater(view.after);
      resolve(view);
    });
    return started;
  }

  /** Resolves when the running installation has ended; at once where there is none. */
  async ended(): Promise<InstallationView | undefined> {
    return this.running ? this.running.ended : this.view;
  }

  /** Stops the running installation and waits until it has cleaned up after itself. */
  async stop(): Promise<InstallationView | undefined> {
    const { running } = this;
    if (!running) return this.view;
    running.controller.abort();
    return running.ended;
  }

  /**
   * Restarts the machine or powers it off.
   * @throws KairosError `INSTALL_RUNNING`
   */
  async end(how: 'reboot' | 'poweroff'): Promise<void> {
    this.checkIdle();
    this.cancelEnd();
    await endMachine(this.host, how, () => undefined);
  }

  /** Keeps the machine running after an installation that wanted to end it. */
  cancelEnd(): void {
    clearTimeout(this.ending);
    this.ending = undefined;
    if (this.view?.endsAt !== undefined) this.show({ ...this.view, endsAt: undefined });
  }

  private checkIdle(): void {
    if (!this.running) return;
    throw new KairosError('INSTALL_RUNNING', 'An installation is running already', {
      exit: 'wrongState',
      hint: 'Wait until it has ended, or stop it',
    });
  }

  private endLater(how: 'reboot' | 'poweroff'): void {
    this.ending = setTimeout(() => {
      this.end(how).catch((error) => {
        if (this.view) this.show({ ...this.view, endsAt: undefined, message: reasonOf(error) });
      });
    }, lifecycleDelay);
  }

  private show(view: InstallationView): void {
    this.view = view;
    for (const listener of this.listeners) listener(view);
  }

  /** Bytes of the image on the live medium, where it can be seen. */
  private slotSize(): number | undefined {
    if (this.options.source !== undefined) return undefined;
    const folder = `${paths.live}${slotDirectory('live')}`;
    const sizes = Object.values(slotFiles).map((name) => this.host.files.status(`${folder}/${name}`)?.size);
    const sum = sizes.reduce<number>((total, size) => total + (size ?? 0), 0);
    return sum === 0 ? undefined : sum;
  }

  private hasKubernetes(): boolean {
    const { files } = this.host;
    const folders = ['/usr/bin', '/usr/local/bin', '/usr/sbin', '/opt/bin'];
    return (
      folders.some((folder) => files.exists(`${folder}/k3s`)) ||
      files.list(paths.providers).some((name) => name.startsWith('agent-provider-'))
    );
  }

  private async hasAdmin(cloudConfig: string): Promise<boolean> {
    const { config } = await collectConfig(this.host, { directories: configDirectories, files: [] });
    if (hasAdmin(config)) return true;
    if (cloudConfig.trim() === '') return false;
    const path = this.writeConfig('own', cloudConfig);
    try {
      return hasAdmin((await collectConfig(this.host, { directories: [], files: [path] })).config);
    } finally {
      this.host.files.remove(path);
    }
  }

  private writeConfig(name: string, text: string): string {
    this.host.files.makeDirectory(workDirectory, { mode: 0o700 });
    const path = `${workDirectory}/${name}-${crypto.randomUUID()}.yaml`;
    this.host.files.write(path, text, { mode: 0o600 });
    return path;
  }

  /** Runs work with the configuration in files, which are gone afterwards. */
  private async withConfig<Result>(
    answers: Answers,
    work: (files: readonly string[], config: ConfigOptions) => Promise<Result>,
  ): Promise<Result> {
    const own = answers.cloudConfig.trim() === '' ? undefined : answers.cloudConfig;
    const config: ConfigOptions = {
      source: this.options.source,
      hasAdmin: await this.hasAdmin(own ?? ''),
      ...(this.host.files.exists('/bin/bash') ? { shell: '/bin/bash' } : {}),
    };
    const files = [
      this.writeConfig('answers', cloudConfigOf(answers, config)),
      ...(own === undefined ? [] : [this.writeConfig('cloud-config', own)]),
    ];
    try {
      return await work(files, config);
    } finally {
      for (const file of files) this.host.files.remove(file);
    }
  }

  private installOptions(answers: Answers, files: readonly string[]) {
    return {
      ...{ moreConfigFiles: files, unattended: false, useDefaultDirectories: true, device: answers.disk },
      ...(this.options.source === undefined ? {} : { source: this.options.source }),
      force: answers.erase,
    } satisfies Partial<InstallOptions>;
  }

  private async carryOut(answers: Answers, signal: AbortSignal): Promise<InstallationView> {
    const view = () => this.view as InstallationView;
    let stderr = '';
    let result: { plan?: { image: { name: string; version: string }; disk: { path: string } } } | undefined;
    try {
      await this.withConfig(answers, (files) =>
        this.host.run(
          [
            ...this.options.agent,
            ...[
              'manual-install',
              '--json',
              '--use-default-dirs',
              '--leave-running',
              '--device',
              answers.disk,
            ],
            ...(answers.erase ? ['--force'] : []),
            ...(this.options.source === undefined ? [] : ['--source', this.options.source]),
            ...files.map((file) => this.host.files.real(file)),
          ],
          {
            env: { KAIROS_AGENT_PROGRESS: 'detail' },
            ...{ signal, stopSignal: 'SIGTERM' },
            onLine: (line, stream) => {
              if (stream === 'stderr') {
                stderr += `${line}\n`;
                return;
              }
              const event = parseEvent(line);
              if (event) this.show(afterEvent(view(), event));
              else if (line.startsWith('{"installed":')) result = JSON.parse(line);
            },
          },
        ),
      );
      const { plan } = result ?? {};
      const now = this.now();
      return endedView(view(), 'succeeded', now, {
        ...(plan
          ? {
              installed: { name: plan.image.name, version: plan.image.version, disk: plan.disk.path },
            }
          : {}),
        ...(view().after === 'nothing'
          ? {}
          : { endsAt: new Date(now.getTime() + lifecycleDelay).toISOString() }),
      });
    } catch (error) {
      const known = error instanceof KairosError ? error : undefined;
      const cause = reportedError(stderr) ?? {
        ...{ code: known?.code ?? 'FAILED', message: reasonOf(error) },
        ...(known?.hint === undefined ? {} : { hint: known.hint }),
      };
      return endedView(view(), signal.aborted ? 'stopped' : 'failed', this.now(), { error: cause });
    }
  }
}

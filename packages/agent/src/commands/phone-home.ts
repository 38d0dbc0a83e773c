import { configDirectories } from '@kairos/config/collect';
import { KairosError, reasonOf } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { tryLock } from '@kairos/host/lock';
import { isMap, parseDocument } from 'yaml';
import { collectConfig, collectNodeConfig } from '../collect-config.ts';
import { endMachine } from '../lifecycle.ts';
import { checkRoot } from '../operation.ts';
import { type CommandOutcome, remoteConfigPath, runRemoteCommand } from '../phone-home/commands.ts';
import {
  type PhoneHomeCredentials,
  readCredentials,
  removeCredentials,
  writeCredentials,
} from '../phone-home/credentials.ts';
import { areKnown, fetchArtifact, register } from '../phone-home/server.ts';
import { holdConnection, newSessionState } from '../phone-home/session.ts';
import { type PhoneHomeFlags, phoneHomeSettings } from '../phone-home/settings.ts';

export const phoneHomeUnit = 'kairos-agent-phonehome.service';
const lockPath = '/run/kairos-agent-phonehome.lock';
const longestPause = 60_000;
/** Milliseconds between the outcome of a command and the restart that follows it, so that the outcome gets through. */
const restartDelay = 10_000;

export interface PhoneHomeOptions extends PhoneHomeFlags {
  readonly tell: (line: string) => void;
  readonly warn: (message: string) => void;
  readonly signal: AbortSignal;
  /** Ends early when the signal fires. */
  readonly sleep?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/** - `not-wanted`: the configuration has no address. - `left`: the server, or the owner, ended it. */
export type PhoneHomeEnd = 'not-wanted' | 'left' | 'stopped';

const defaultSleep = (milliseconds: number, signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });

/**
 * Keeps a connection to the fleet server and carries out what it asks for and the configuration allows, until it is
 * told to leave or to stop.
 * @throws KairosError `NOT_ROOT`, `PHONEHOME_INVALID`, `BUSY`, `REGISTRATION_REFUSED`
 */
export async function phoneHome(host: Host, options: PhoneHomeOptions): Promise<PhoneHomeEnd> {
  checkRoot(host);
  const { tell, warn, sleep = defaultSleep } = options;
  const { config, problems } = await collectNodeConfig(host);
  for (const { code, message } of problems) if (code.startsWith('CONFIG_URL_')) warn(message);
  const settings = phoneHomeSettings(config, options);
  if (settings === undefined) {
    tell('phonehome.url is not set; nothing to do');
    return 'not-wanted';
  }
  const since = new Date().toISOString();
  const lock = tryLock(host.files, lockPath, { pid: process.pid, work: 'phone-home', since });
  if (!lock.held) {
    throw new KairosError(
      'BUSY',
      `This node phones home already (process ${lock.holder?.pid ?? 'unknown'})`,
      {
        exit: 'wrongState',
      },
    );
  }
  if (settings.url.startsWith('http:')) {
    warn(`${settings.url}: over http, whoever is on the way reads the keys and gives the commands`);
  }
  const controller = new AbortController();
  const stop = () => controller.abort();
  options.signal.addEventListener('abort', stop, { once: true });
  if (options.signal.aborted) stop();
  const { signal } = controller;
  let left = false;
  const follow = async (what: NonNullable<CommandOutcome['next']>) => {
    if (what === 'leave') {
      left = true;
      removeCredentials(host.files);
      // The outcome is on its way; closing says goodbye behind it.
      stop();
      return;
    }
    await sleep(restartDelay, signal);
    if (!signal.aborted) await endMachine(host, 'reboot', warn);
  };
  const state = newSessionState();
  try {
    for (let pause = settings.backoff; !signal.aborted; ) {
      let credentials: PhoneHomeCredentials | undefined = readCredentials(host.files);
      let reason: string;
      try {
        if (credentials === undefined) {
          credentials = await register(host, settings, signal);
          writeCredentials(host.files, credentials);
          tell(`registered as ${credentials.nodeId}`);
        }
        const known = credentials;
        const ended = await holdConnection(host, settings, known, state, {
          ...{ tell, warn, signal, follow },
          run: (command) =>
            runRemoteCommand(host, command, settings, {
              signal,
              fetchArtifact: (id, path) => fetchArtifact(host, settings, known, id, path, signal),
            }),
        });
        reason = ended.reason;
        if (ended.opened) pause = settings.backoff;
        else if (!signal.aborted && (await areKnown(host, settings, known, signal)) === false) {
          warn('The server does not know this node any more; it registers anew');
          removeCredentials(host.files);
        }
      } catch (error) {
        if (signal.aborted) break;
        if (error instanceof KairosError && error.code === 'REGISTRATION_REFUSED') throw error;
        reason = reasonOf(error);
      }
      if (signal.aborted) break;
      // Nodes of a fleet that lost their server must not all come back at once.
      const jittered = Math.round(pause * (0.75 + Math.random() / 2));
      tell(`${reason}; connecting again in ${(jittered / 1000).toFixed(1)} s`);
      await sleep(jittered, signal);
      pause = Math.min(2 * pause, longestPause);
    }
  } finally {
    options.signal.removeEventListener('abort', stop);
    lock.release();
  }
  return left ? 'left' : 'stopped';
}

/** Directories whose files the node's owner may change. */
const ownDirectories = ['/oem', '/usr/local/cloud-config'];

export interface UninstallResult {
  /** Files that were removed or changed. */
  readonly changed: readonly string[];
  /** Places that still ask for it and that cannot be changed here, as `file:line`. */
  readonly remaining: readonly string[];
}

/**
 * Ends phone-home for good: the service, the credentials, and `phonehome` in the node's configuration, where everything
 * else stays as it is written.
 * @throws KairosError `NOT_ROOT`
 */
export async function uninstallPhoneHome(
  host: Host,
  warn: (message: string) => void,
): Promise<UninstallResult> {
  checkRoot(host);
  const { files } = host;
  if (files.exists('/run/systemd/system')) {
    await host
      .run(['systemctl', 'stop', phoneHomeUnit])
      .catch((error: unknown) => warn(`${phoneHomeUnit} could not be stopped: ${reasonOf(error)}`));
  } else {
    const lock = tryLock(files, lockPath, { pid: process.pid, work: 'uninstall', since: '' });
    if (lock.held) lock.release();
    else if (lock.holder) await host.run(['kill', String(lock.holder.pid)], { okCodes: [0, 1] });
  }
  const changed: string[] = [];
  const remove = (path: string) => {
    if (files.status(path) === undefined) return;
    files.remove(path);
    changed.push(path);
  };
  remove('/usr/local/.kairos/phonehome-credentials.yaml');
  remove('/usr/local/.kairos/phonehome');
  remove(remoteConfigPath);
  const remaining: string[] = [];
  const { documents } = await collectConfig(host, { directories: configDirectories, files: [] });
  for (const { file, text } of documents) {
    const document = parseDocument(text);
    if (!isMap(document.contents) || !document.has('phonehome')) continue;
    if (!ownDirectories.some((directory) => file.startsWith(`${directory}/`)) || document.errors.length > 0) {
      const line = text.slice(0, Math.max(0, text.search(/^phonehome\s*:/m))).split('\n').length;
      remaining.push(`${file}:${line}`);
      continue;
    }
    document.delete('phonehome');
    if (document.contents.items.length === 0) remove(file);
    else {
      const status = files.status(file);
      files.write(file, document.toString({ lineWidth: 0 }), {
        ...(status === undefined ? {} : { mode: status.mode, uid: status.uid, gid: status.gid }),
      });
      changed.push(file);
    }
  }
  return { changed, remaining };
}

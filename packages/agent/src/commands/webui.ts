import { hostname } from 'node:os';
import { configDirectories } from '@kairos/config/collect';
import { isSystemError, KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { readAgentSettings } from '../agent-settings.ts';
import { collectConfig, isMapping } from '../collect-config.ts';
import { Installer, type InstallerOptions } from '../installer/installer.ts';
import { checkRoot } from '../operation.ts';
import { Access } from '../webui/access.ts';
import { parseListenAddress, reachableUrls } from '../webui/addresses.ts';
import { announcement } from '../webui/announcement.ts';
import { webuiApplication } from '../webui/application.ts';
import { selfSigned } from '../webui/certificate.ts';

export interface WebuiCommand {
  /** Overrides `webui.listen_address` of the settings. */
  readonly listen?: string | undefined;
  /** Plain HTTP. */
  readonly http?: boolean;
  readonly source?: string | undefined;
  /** Serves nothing where the cloud-configs ask for an installation without questions, which would be in the way. */
  readonly unlessAutomatic?: boolean;
  /** The page: one document with everything in it. */
  readonly page: string;
  /** How the agent is called. */
  readonly agent: readonly [string, ...string[]];
  readonly version: string;
  /** What the person before the machine reads. */
  readonly say: (text: string) => void;
  /** Each code with where it is good, for `--json`. */
  readonly onReady?: (ready: { urls: readonly string[]; code: string; fingerprint?: string }) => void;
  /** Ends the server; an installation that runs is stopped first, and a machine that was about to end keeps running. */
  readonly signal: AbortSignal;
  /** Plans without touching anything; for tests. */
  readonly plan?: InstallerOptions['plan'];
}

const defaultAddress = ':8080';
/** How often the machine is asked whether it has other addresses, in milliseconds. */
const addressInterval = 3000;

/**
 * Serves the web installer until the signal fires.
 * @returns false where it is not to be served: the image switches it off, or the installation runs by itself
 * @throws KairosError `NOT_ROOT`, `ADDRESS_INVALID`, `ADDRESS_IN_USE`
 */
export async function webui(host: Host, command: WebuiCommand): Promise<boolean> {
  checkRoot(host);
  const settings = readAgentSettings(host.files).webui;
  if (settings.disable) {
    command.say('The web installer is switched off (webui.disable in /etc/kairos/agent.yaml)\n');
    return false;
  }
  if (command.unlessAutomatic && (await installsByItself(host))) {
    command.say('The web installer is not started: the cloud-config asks for an unattended installation\n');
    return false;
  }
  const wish = command.listen ?? settings.listenAddress ?? defaultAddress;
  const address = parseListenAddress(wish);
  const plain = command.http ?? !settings.tls;
  const scheme = plain ? 'http' : 'https';
  const certificate = plain ? undefined : selfSigned({ now: new Date(), names: [hostname()] });
  const installer = new Installer(host, {
    ...{ agent: command.agent, source: command.source, branding: 'install', version: command.version },
    ...(command.plan ? { plan: command.plan } : {}),
  });
  let code = '';
  let port = address.port;
  let shown: string | undefined;
  const announce = (why: 'first' | 'used' | 'guessed' | 'address') => {
    const urls = reachableUrls(scheme, { host: address.host, port });
    shown = urls.join(' ');
    command.say(announcement({ urls, code, fingerprint: certificate?.fingerprint, why }));
    const fingerprint = certificate && { fingerprint: certificate.fingerprint };
    command.onReady?.({ urls, code, ...fingerprint });
  };
  const access = new Access({
    onCode(next, why) {
      code = next;
      if (why !== 'first') announce(why);
    },
  });
  const application = webuiApplication({
    ...{ installer, access, page: command.page, scheme },
    names: () => [hostname()],
  });
  const server = listen(wish, () =>
    Bun.serve({
      ...(address.host === '' ? {} : { hostname: address.host }),
      port: address.port,
      ...(certificate ? { tls: { key: certificate.key, cert: certificate.certificate } } : {}),
      fetch: application.fetch,
      // For who is not signed in.
      idleTimeout: 60,
    }),
  );
  port = server.port ?? address.port;
  announce('first');
  // Addresses come and go while the network is set up.
  const timer = setInterval(() => {
    if (reachableUrls(scheme, { host: address.host, port }).join(' ') !== shown) announce('address');
  }, addressInterval);
  try {
    await new Promise<void>((resolve) => {
      if (command.signal.aborted) resolve();
      command.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await installer.stop();
    installer.cancelEnd();
  } finally {
    clearInterval(timer);
    await server.stop(true);
  }
  return true;
}

async function installsByItself(host: Host): Promise<boolean> {
  const { config } = await collectConfig(host, {
    directories: configDirectories,
    files: [],
    commandLine: true,
  });
  return isMapping(config.install) && config.install.auto === true;
}

function listen<Server>(address: string, start: () => Server): Server {
  try {
    return start();
  } catch (cause) {
    const inUse = isSystemError(cause, 'EADDRINUSE');
    throw new KairosError(
      inUse ? 'ADDRESS_IN_USE' : 'ADDRESS_UNUSABLE',
      `Cannot listen on ${address}: ${inUse ? 'another program does' : String(cause)}`,
      { cause, exit: 'wrongState', hint: 'Choose another address with --listen' },
    );
  }
}

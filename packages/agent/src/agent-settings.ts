import type { HostFiles } from '@kairos/host/host';
import { parse } from 'yaml';
import { isMapping } from './collect-config.ts';

/** How the agent behaves towards people: `/etc/kairos/agent.yaml` and `/etc/kairos/branding`. */
export interface AgentSettings {
  /** No countdowns. */
  readonly fast: boolean;
  readonly branding: {
    /** Shown before a reset. */
    readonly reset: string | undefined;
    /** Shown by the web installer. */
    readonly install: string | undefined;
    /** Shown by the installer of a terminal. */
    readonly interactiveInstall: string | undefined;
  };
  readonly webui: {
    readonly disable: boolean;
    readonly listenAddress: string | undefined;
    /** False: plain HTTP. */
    readonly tls: boolean;
  };
  /** Whether the installer of a terminal asks for more than a disk and a user. */
  readonly advanced: boolean;
}

/** Settings that are missing or cannot be read have no effect: they must not keep a node from its work. */
export function readAgentSettings(files: HostFiles): AgentSettings {
  let settings: unknown;
  try {
    settings = parse(files.readTextIfAny('/etc/kairos/agent.yaml') ?? '');
  } catch {
    settings = undefined;
  }
  const root = isMapping(settings) ? settings : {};
  const branding = isMapping(root.branding) ? root.branding : {};
  const webui = isMapping(root.webui) ? root.webui : {};
  const text = (name: string) => {
    const given = branding[name];
    const file = `/etc/kairos/branding/${name.replaceAll('-', '_')}_text`;
    const found = typeof given === 'string' ? given : files.readTextIfAny(file);
    return found?.trim() || undefined;
  };
  return {
    fast: root.fast === true,
    branding: {
      reset: text('reset'),
      install: text('install'),
      interactiveInstall: text('interactive-install'),
    },
    webui: {
      disable: webui.disable === true,
      listenAddress:
        typeof webui.listen_address === 'string' && webui.listen_address !== ''
          ? webui.listen_address
          : undefined,
      tls: webui.tls !== false,
    },
    advanced: !files.exists('/etc/kairos/branding/interactive_install_advanced_disabled'),
  };
}

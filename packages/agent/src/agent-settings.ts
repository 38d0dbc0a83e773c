import type { HostFiles } from '@kairos/host/host';
import { parse } from 'yaml';
import { isMapping } from './collect-config.ts';

/** How the agent behaves towards people at the console: `/etc/kairos/agent.yaml` and `/etc/kairos/branding`. */
export interface AgentSettings {
  /** No countdowns. */
  readonly fast: boolean;
  readonly branding: {
    /** Shown before a reset. */
    readonly reset: string | undefined;
  };
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
  const text = (name: string) => {
    const given = branding[name];
    const found =
      typeof given === 'string' ? given : files.readTextIfAny(`/etc/kairos/branding/${name}_text`);
    return found?.trim() || undefined;
  };
  return { fast: root.fast === true, branding: { reset: text('reset') } };
}

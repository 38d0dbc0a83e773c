import { paths } from '@kairos/facts/paths';
import type { HostFiles } from '@kairos/host/host';
import { parse } from 'yaml';
import { z } from 'zod';

const settingsPath = '/etc/kairos/agent.yaml';
const brandingDirectory = '/etc/kairos/branding';

const settingsSchema = z.object({
  webui: z
    .object({
      disable: z.boolean().nullish(),
      listen_address: z.string().nullish(),
      tls: z.boolean().nullish(),
    })
    .nullish(),
  branding: z.record(z.string(), z.string().nullable()).nullish(),
});

/** How the agent behaves and what it calls itself, as the maker of an image wishes: `/etc/kairos/agent.yaml`. */
export type AgentSettings = z.infer<typeof settingsSchema>;

/** Reads the settings. A file that cannot be understood counts as none: it must not keep anyone from installing. */
export function agentSettings(files: HostFiles): AgentSettings {
  const text = files.readTextIfAny(settingsPath);
  if (text === undefined) return {};
  try {
    return settingsSchema.safeParse(parse(text)).data ?? {};
  } catch {
    return {};
  }
}

/** The text above an installer, if there is one: of `branding` in the settings, else of a file of the directory. */
export function brandingText(files: HostFiles, which: 'install' | 'interactive-install'): string {
  const name = `${which.replaceAll('-', '_')}_text`;
  const text = agentSettings(files).branding?.[which] ?? files.readTextIfAny(`${brandingDirectory}/${name}`);
  return (text ?? '').trim();
}

/** Name and version of the image that runs, as `/etc/kairos-release` has them; empty where there is none. */
export function runningImage(files: HostFiles): string {
  const release = files.readTextIfAny(paths.kairosRelease) ?? '';
  const value = (key: string) => new RegExp(`^${key}="?([^"\\n]*)"?$`, 'm').exec(release)?.[1] ?? '';
  return `${value('KAIROS_NAME')} ${value('KAIROS_VERSION')}`.trim();
}

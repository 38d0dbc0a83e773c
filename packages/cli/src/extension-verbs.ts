import {
  type ChangeResult,
  disableExtensionVerb,
  enableExtensionVerb,
  installExtensions,
  listExtensions,
  removeExtensionVerb,
} from '@kairos/agent/commands/extensions';
import { mergeExtensions } from '@kairos/agent/commands/merge-extensions';
import { KairosError } from '@kairos/facts/errors';
import { type ExtensionKind, type ExtensionProfile, extensionProfiles } from '@kairos/facts/extensions';
import { formatSize } from '@kairos/facts/size';
import { machineHost } from '@kairos/host/machine';
import type { ChangeFlags, ExtensionInstallFlags, ProfileFlags } from './commands/agent-extensions.ts';
import { interruptible } from './interrupt.ts';

const warn = (message: string) => void process.stderr.write(`warning: ${message}\n`);

function chosen(flags: ProfileFlags): ExtensionProfile[] {
  return extensionProfiles.filter((profile) => flags[profile]);
}

function tooMany(wanted: string): KairosError {
  return new KairosError('USAGE', `Give ${wanted} of --active, --passive, --recovery, --common`, {
    exit: 'usage',
  });
}

export function listVerb(kind: ExtensionKind, flags: ProfileFlags & { readonly json: boolean }): string {
  const profiles = chosen(flags);
  const [profile] = profiles;
  if (profiles.length > 1) throw tooMany('at most one');
  const list = listExtensions(machineHost(), { kind, ...(profile === undefined ? {} : { profile }) });
  if (flags.json) return `${JSON.stringify(list)}\n`;
  return list
    .map(({ name, size, profiles }) => {
      const state = size === undefined ? 'missing' : formatSize(size);
      return `${name}  ${state}  ${profiles.join(',') || 'not enabled'}\n`;
    })
    .join('');
}

function report(what: string, { name, changed, effective }: ChangeResult, json: boolean): string {
  if (json) return `${JSON.stringify({ name, changed, effective })}\n`;
  const when = effective === 'now' ? '' : ', from the next start on';
  return changed ? `${name} is ${what}${when}\n` : `${name} was ${what} already\n`;
}

export async function changeVerb(
  kind: ExtensionKind,
  verb: 'enable' | 'disable',
  name: string,
  flags: ChangeFlags,
): Promise<string> {
  const [profile, ...others] = chosen(flags);
  if (profile === undefined || others.length > 0) throw tooMany('exactly one');
  const run = verb === 'enable' ? enableExtensionVerb : disableExtensionVerb;
  const result = await run(machineHost(), { kind, name, profile, now: flags.now, warn });
  return report(`${verb}d for ${profile}`, result, flags.json);
}

export async function installVerb(
  kind: ExtensionKind,
  uri: string,
  { json, ...flags }: ExtensionInstallFlags,
): Promise<string> {
  const { signal, done } = interruptible();
  try {
    const tell = (line: string) => void process.stderr.write(`${line}\n`);
    const result = await installExtensions(machineHost(), uri, { ...flags, kind, warn, tell, signal });
    if (json) return `${JSON.stringify(result)}\n`;
    const words = {
      signed: 'signed',
      verity: 'with a hash tree, not signed',
      none: 'without a hash tree',
    } as const;
    return result
      .map(
        ({ name, proof }) => `${name} is installed (${words[proof]}); kairos-agent ${kind} enable uses it\n`,
      )
      .join('');
  } finally {
    done();
  }
}

export async function removeVerb(
  kind: ExtensionKind,
  name: string,
  flags: { readonly now: boolean; readonly json: boolean },
): Promise<string> {
  return report(
    'removed',
    await removeExtensionVerb(machineHost(), { kind, name, now: flags.now, warn }),
    flags.json,
  );
}

/** A refused one is told and leaves the others in place, so it is no failure of the unit. */
export async function mergeVerb(kind: ExtensionKind, { json }: { readonly json: boolean }): Promise<string> {
  const outcomes = await mergeExtensions(machineHost(), { kind, warn });
  if (json) return `${JSON.stringify(outcomes)}\n`;
  return outcomes
    .map(({ name, status, reason }) => `${name} is ${status}${reason === undefined ? '' : `: ${reason}`}\n`)
    .join('');
}

import { readDocument } from '@kairos/config/collect';
import { headerOf } from '@kairos/config/document-header';
import { KairosError, reasonOf } from '@kairos/facts/errors';
import { paths } from '@kairos/facts/paths';
import type { Host } from '@kairos/host/host';
import { z } from 'zod';
import { validateText } from '../configuration.ts';
import { agentStateDirectory } from '../first-boot.ts';
import { type PhoneHomeSettings, phoneHomeCommands } from './settings.ts';

export const remoteConfigPath = `${paths.oem}/99_phonehome_remote.yaml`;
const artifactDirectory = `${agentStateDirectory}/phonehome`;

export const commandSchema = z.object({
  id: z.string().min(1).max(200),
  command: z.string(),
  args: z.record(z.string(), z.unknown()).nullish(),
});
export type RemoteCommand = z.infer<typeof commandSchema>;

export interface CommandOutcome {
  readonly phase: 'Completed' | 'Failed';
  /** For people: the end of what the command printed, or why it failed. */
  readonly result: string;
  /** What follows once the outcome has been told. */
  readonly next?: 'reboot' | 'leave';
}

export interface CommandParts {
  /** Fetches an artifact of the server into a file. */
  fetchArtifact(id: string, path: string): Promise<void>;
  readonly signal: AbortSignal;
}

/** Characters of output that are told. */
const resultLength = 8000;
/** Milliseconds that a shell command has, and bytes that it may print. */
const execTime = 10 * 60_000;
const execOutput = 16 * 1024 * 1024;

const tail = (text: string) => (text.length <= resultLength ? text : `…${text.slice(-resultLength)}`).trim();

function textOf(args: RemoteCommand['args'], name: string): string | undefined {
  const value = args?.[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return value;
  throw new KairosError('COMMAND_INVALID', `the argument ${name} is not a text`, { exit: 'invalidInput' });
}

function needed(args: RemoteCommand['args'], name: string): string {
  const value = textOf(args, name)?.trim();
  if (value) return value;
  throw new KairosError('COMMAND_INVALID', `the argument ${name} is missing`, { exit: 'invalidInput' });
}

/** The agent in a process of its own: it may fail without this one ending. */
async function agent(host: Host, args: readonly string[], signal: AbortSignal): Promise<string> {
  const { stdout, stderr } = await host.run(['/usr/bin/kairos-agent', ...args], {
    ...{ signal, maximumOutput: execOutput },
    // It undoes its mounts and gives back its lock.
    stopSignal: 'SIGTERM',
  });
  return tail(`${stderr}${stdout}`);
}

async function upgrade(
  host: Host,
  { args }: RemoteCommand,
  recovery: boolean,
  parts: CommandParts,
): Promise<CommandOutcome> {
  const given = needed(args, 'source');
  if (given.startsWith('-')) {
    throw new KairosError('COMMAND_INVALID', `${given} is no source`, { exit: 'invalidInput' });
  }
  const artifact = /^artifact:(.*)$/s.exec(given)?.[1];
  const flags = recovery ? ['--recovery'] : [];
  const finish = (result: string): CommandOutcome => ({
    ...{ phase: 'Completed', result },
    ...(recovery ? {} : { next: 'reboot' as const }),
  });
  if (artifact === undefined) {
    const source = /^[a-z-]+:/.test(given) ? given : `oci:${given}`;
    return finish(await agent(host, ['upgrade', '--source', source, ...flags], parts.signal));
  }
  if (!/^[\w-]{1,100}$/.test(artifact)) {
    throw new KairosError('COMMAND_INVALID', `${JSON.stringify(artifact)} is no artifact`, {
      exit: 'invalidInput',
    });
  }
  const file = `${artifactDirectory}/${artifact}.tar`;
  host.files.remove(artifactDirectory);
  host.files.makeDirectory(artifactDirectory, { mode: 0o700 });
  try {
    await parts.fetchArtifact(artifact, file);
    return finish(await agent(host, ['upgrade', '--source', `ocifile:${file}`, ...flags], parts.signal));
  } finally {
    host.files.remove(artifactDirectory);
  }
}

function applyCloudConfig(host: Host, { args }: RemoteCommand): CommandOutcome {
  const given = needed(args, 'config');
  const text = headerOf(given) === undefined ? `#cloud-config\n${given}` : given;
  const problems = [
    ...readDocument(text, remoteConfigPath).problems,
    ...validateText(text, remoteConfigPath, false).problems,
  ].filter(({ severity }) => severity === 'error');
  if (problems.length > 0) {
    throw new KairosError(
      'CONFIG_INVALID',
      [...new Set(problems.map(({ position, message }) => `line ${position.line}: ${message}`))].join('\n'),
      { exit: 'invalidInput' },
    );
  }
  host.files.write(remoteConfigPath, text.endsWith('\n') ? text : `${text}\n`, { mode: 0o600 });
  return { phase: 'Completed', result: `${remoteConfigPath} is written; it counts from the next start on` };
}

async function carryOut(host: Host, command: RemoteCommand, parts: CommandParts): Promise<CommandOutcome> {
  switch (command.command as (typeof phoneHomeCommands)[number]) {
    case 'upgrade':
      return upgrade(host, command, String(command.args?.recovery) === 'true', parts);
    case 'upgrade-recovery':
      return upgrade(host, command, true, parts);
    case 'reset':
      if (Object.keys(command.args ?? {}).length > 0) {
        throw new KairosError(
          'COMMAND_INVALID',
          'a reset takes no arguments: what it does is in the configuration of the node',
          { exit: 'invalidInput' },
        );
      }
      return {
        ...{ phase: 'Completed', next: 'reboot' },
        result: await agent(host, ['bootentry', '--select', 'statereset'], parts.signal),
      };
    case 'apply-cloud-config':
      return applyCloudConfig(host, command);
    case 'exec': {
      const { stdout, stderr, code } = await host.run(['sh', '-c', needed(command.args, 'command')], {
        ...{ signal: parts.signal, timeout: execTime, maximumOutput: execOutput },
        okCodes: Array.from({ length: 256 }, (_, index) => index),
      });
      const output = tail(`${stdout}${stderr}`);
      return code === 0
        ? { phase: 'Completed', result: output }
        : { phase: 'Failed', result: `it exited with ${code}\n${output}` };
    }
    case 'reboot':
      return { phase: 'Completed', result: 'restarting', next: 'reboot' };
    case 'unregister':
      return { phase: 'Completed', result: 'this node phones home no longer', next: 'leave' };
  }
}

/** Carries out a command of the server, if the node's owner allows it. Whatever happens becomes an outcome. */
export async function runRemoteCommand(
  host: Host,
  command: RemoteCommand,
  settings: Pick<PhoneHomeSettings, 'allowed'>,
  parts: CommandParts,
): Promise<CommandOutcome> {
  const known = phoneHomeCommands.find((one) => one === command.command);
  if (known === undefined) {
    return {
      phase: 'Failed',
      result: `${JSON.stringify(command.command.slice(0, 100))} is not a command that this node knows`,
    };
  }
  if (!settings.allowed.has(known)) {
    return {
      phase: 'Failed',
      result: `${known} is not allowed on this node; its configuration has to list it in phonehome.allowed_commands`,
    };
  }
  try {
    return await carryOut(host, command, parts);
  } catch (error) {
    return { phase: 'Failed', result: tail(reasonOf(error)) };
  }
}

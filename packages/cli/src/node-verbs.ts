import { resolve } from 'node:path';
import { grubEdit, parseAssignmentWords } from '@kairos/agent/commands/grub-edit';
import { logs } from '@kairos/agent/commands/logs';
import { nodeUuid } from '@kairos/agent/commands/node-identity';
import { hostArchitecture } from '@kairos/facts/architecture';
import { paths } from '@kairos/facts/paths';
import { version } from '@kairos/facts/version';
import { machineHost } from '@kairos/host/machine';
import { parseAssignments } from '@kairos/stages/operating-system';

export async function logsVerb(output: string, json: boolean): Promise<string> {
  const result = await logs(machineHost(), resolve(output));
  if (json) return `${JSON.stringify(result)}\n`;
  for (const line of result.skipped) process.stderr.write(`left out: ${line}\n`);
  return `${result.path}: ${result.names.length} files\n`;
}

export function uuidVerb(): string {
  return `${nodeUuid(machineHost(), process.env)}\n`;
}

export function versionVerb(long: boolean, json: boolean): string {
  if (!long && !json) return `${version}\n`;
  const release = parseAssignments(machineHost().files.readTextIfAny(paths.kairosRelease) ?? '');
  const { KAIROS_NAME: name = '', KAIROS_VERSION: image = '' } = release;
  const all = {
    version,
    runtime: `Bun ${Bun.version}`,
    architecture: hostArchitecture(),
    image: `${name} ${image}`.trim(),
  };
  if (json) return `${JSON.stringify(all)}\n`;
  return Object.entries(all)
    .filter(([, value]) => value !== '')
    .map(([key, value]) => `${key}: ${value}\n`)
    .join('');
}

export async function grubEditVerb(
  words: readonly string[],
  { grubFile, json }: { readonly grubFile: string; readonly json: boolean },
): Promise<string> {
  const variables = await grubEdit(machineHost(), resolve(grubFile), parseAssignmentWords(words), (message) =>
    process.stderr.write(`warning: ${message}\n`),
  );
  if (json) return `${JSON.stringify(variables)}\n`;
  return Object.entries(variables)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

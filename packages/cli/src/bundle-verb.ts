import { installBundleNow } from '@kairos/agent/commands/install-bundle';
import { machineHost } from '@kairos/host/machine';
import type { BundleFlags } from './commands/agent-bundle.ts';
import { interruptible } from './interrupt.ts';

const isSet = (value: string | undefined) => value !== undefined && !['', '0', 'false'].includes(value);

export async function installBundleVerb(target: string, flags: BundleFlags): Promise<string> {
  const { signal, done } = interruptible();
  try {
    const result = await installBundleNow(machineHost(), target, {
      ...(flags.rootPath === undefined ? {} : { rootPath: flags.rootPath }),
      localFile: flags.localFile || isSet(process.env.LOCAL_FILE),
      workingDirectory: process.cwd(),
      force: flags.force,
      insecure: flags.insecure,
      dryRun: flags.dryRun,
      signal,
      tell: (line) => process.stderr.write(`${line}\n`),
      warn: (message) => process.stderr.write(`warning: ${message}\n`),
      now: () => new Date(),
    });
    if (flags.json) return `${JSON.stringify(result)}\n`;
    if (result.outcome === 'present') return `${target} is installed already\n`;
    const list = result.paths.map((path) => `  ${path}\n`).join('');
    return flags.dryRun ? `${target} would write:\n${list}` : `${target} is installed\n`;
  } finally {
    done();
  }
}

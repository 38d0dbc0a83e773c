import { notify } from '@kairos/agent/commands/notify';
import { recovery } from '@kairos/agent/commands/recovery';
import { start } from '@kairos/agent/commands/start';
import { exitCodes } from '@kairos/facts/errors';
import { machineHost } from '@kairos/host/machine';
import type { StartFlags } from './commands/agent-providers.ts';
import { interruptible } from './interrupt.ts';

const telling = {
  warn: (message: string) => void process.stderr.write(`warning: ${message}\n`),
  tell: (line: string) => void process.stderr.write(`${line}\n`),
};

export async function startVerb(
  { json, ...flags }: StartFlags,
  directories: readonly string[],
): Promise<string> {
  const { signal, done } = interruptible();
  try {
    const result = await start(machineHost(), {
      ...{ ...flags, ...telling, signal },
      ...(directories.length > 0 ? { directories } : {}),
    });
    return json ? `${JSON.stringify(result)}\n` : '';
  } finally {
    done();
  }
}

/** `notify`: gives the exit code, which is that of a failed program where a plug-in failed. */
export async function notifyVerb(
  event: string,
  directories: readonly string[],
  json: boolean,
): Promise<number> {
  const { signal, done } = interruptible();
  try {
    const result = await notify(machineHost(), { ...telling, event, directories, signal });
    const lines = result.answers.map(({ provider, data }) => `${provider}${data ? `: ${data}` : ''}\n`);
    process.stdout.write(json ? `${JSON.stringify(result)}\n` : lines.join(''));
    return result.failures.length > 0 ? exitCodes.toolFailed : 0;
  } finally {
    done();
  }
}

export async function recoveryVerb(): Promise<void> {
  const { signal, done } = interruptible();
  try {
    await recovery(machineHost(), { ...telling, signal, show: (text) => process.stdout.write(text) });
  } finally {
    done();
  }
}

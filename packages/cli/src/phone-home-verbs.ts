import { phoneHome, uninstallPhoneHome } from '@kairos/agent/commands/phone-home';
import { machineHost } from '@kairos/host/machine';
import type { PhoneHomeVerbFlags } from './commands/agent-phone-home.ts';
import { interruptible } from './interrupt.ts';

const warn = (message: string) => void process.stderr.write(`warning: ${message}\n`);

export async function phoneHomeVerb(flags: PhoneHomeVerbFlags): Promise<void> {
  const { signal, done } = interruptible();
  const { PHONEHOME_URL: url, PHONEHOME_REGISTRATION_TOKEN: token, PHONEHOME_GROUP: group } = process.env;
  try {
    await phoneHome(machineHost(), {
      ...(url ? { url } : {}),
      ...(token ? { token } : {}),
      ...(group ? { group } : {}),
      ...flags,
      ...{ signal, warn, tell: (line) => void process.stdout.write(`${line}\n`) },
    });
  } finally {
    done();
  }
}

export async function uninstallVerb(json: boolean): Promise<string> {
  const result = await uninstallPhoneHome(machineHost(), warn);
  if (json) return `${JSON.stringify(result)}\n`;
  for (const place of result.remaining) warn(`${place} still asks for it, and cannot be changed here`);
  return result.changed.map((path) => `changed ${path}\n`).join('') || 'nothing was there\n';
}

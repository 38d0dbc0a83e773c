import { KairosError, reasonOf } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { checkRoot } from '../operation.ts';
import { type NodeProviderOptions, nodeProviders } from '../providers/node-providers.ts';
import { qrCode } from '../providers/qr-code.ts';
import { recoveryToken } from '../providers/questions.ts';

export interface RecoveryOptions extends NodeProviderOptions {
  /** Prints for the person in front of the machine. */
  readonly show: (text: string) => void;
  /** Ends the recovery. */
  readonly signal: AbortSignal;
}

/**
 * Lets another machine reach this one: a plug-in opens the way and gives the token that is shown as a QR code. Runs
 * until `signal` fires, and then tells the plug-ins to close it.
 * @throws KairosError `NOT_ROOT`, `NO_PROVIDER`, `NO_ANSWER`
 */
export async function recovery(host: Host, options: RecoveryOptions): Promise<void> {
  checkRoot(host);
  const { bus, config } = await nodeProviders(host, options);
  if (bus.providers.length === 0) {
    throw new KairosError('NO_PROVIDER', 'Remote recovery needs a plug-in, and this system has none', {
      exit: 'wrongState',
      hint:
        'Log in on the console or by ssh. kairos-agent reset makes the node new; ' +
        'kairos-agent upgrade --source IMAGE replaces its system',
    });
  }
  const token = await recoveryToken(bus, config);
  options.show(
    `${qrCode(token)}\nScan this code from another machine to reach this one (kairosctl bridge).\n` +
      'The way stays open until this program ends; Ctrl-C ends it.\n',
  );
  await new Promise<void>((resolve) => {
    if (options.signal.aborted) resolve();
    else options.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  // A bus of its own: the signal that ended the wait must not end this too.
  const { signal: _, ...others } = options;
  try {
    const { bus: closing } = await nodeProviders(host, others);
    await closing.publish('agent.recovery.stop', { config });
  } catch (error) {
    options.warn(`The way may still be open: ${reasonOf(error)}`);
  }
}

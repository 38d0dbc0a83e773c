import type { ModuleContext } from '../context.ts';
import type { MetadataSession } from './session.ts';

/** What a place of configuration knows about this machine. */
export interface Instance {
  readonly userData?: Uint8Array;
  readonly hostname?: string;
  readonly instanceId?: string;
  /** Lines for authorized_keys. */
  readonly keys?: readonly string[];
}

/** A metadata service on the network. */
export interface MetadataService {
  /** Where it answers, without a final slash. */
  readonly address: string;
  /**
   * Asks the service. The first request tells whether it is there at all.
   * @returns `undefined` where another service answers at the address
   */
  find(session: MetadataSession): Promise<Instance | undefined>;
}

/** A medium or a program on the machine itself. */
export interface LocalSource {
  find(context: ModuleContext): Promise<Instance | undefined>;
}

const decoder = new TextDecoder();

export function textOf(bytes: Uint8Array | undefined): string | undefined {
  const text = bytes === undefined ? '' : decoder.decode(bytes).trim();
  return text === '' ? undefined : text;
}

export function linesOf(text: string | undefined): string[] {
  return (text ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

/** An instance of the parts that are there. */
export function instanceOf(parts: {
  readonly userData?: Uint8Array | undefined;
  readonly hostname?: string | undefined;
  readonly instanceId?: string | undefined;
  readonly keys?: readonly string[] | undefined;
}): Instance {
  return Object.fromEntries(
    Object.entries(parts).filter(([, value]) => value !== undefined && value.length > 0),
  ) as Instance;
}

import { networkInterfaces } from 'node:os';
import { KairosError } from '@kairos/facts/errors';

export interface ListenAddress {
  /** Empty: all addresses of the machine. */
  readonly host: string;
  readonly port: number;
}

/**
 * Reads `:8080`, `10.0.0.5:8080`, `[::1]:8080` or `8080`.
 * @throws KairosError `ADDRESS_INVALID`
 */
export function parseListenAddress(text: string): ListenAddress {
  const match = /^(?:(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]*)):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) {
    throw new KairosError('ADDRESS_INVALID', `${text} is not an address to listen on`, {
      exit: 'usage',
      hint: 'Write a port, or an address and a port: :8080, 10.0.0.5:8080, [::1]:8080',
    });
  }
  return { host: match[1] ?? match[2] ?? '', port };
}

type Interfaces = NodeJS.Dict<
  readonly { readonly address: string; readonly family: string | number; readonly internal: boolean }[]
>;

/** URLs under which other machines reach this one: IPv4 first; without addresses of the link only. */
export function reachableUrls(
  scheme: 'http' | 'https',
  { host, port }: ListenAddress,
  interfaces: Interfaces = networkInterfaces(),
): string[] {
  const show = (address: string) => `${scheme}://${address.includes(':') ? `[${address}]` : address}:${port}`;
  if (host !== '' && host !== '0.0.0.0' && host !== '::') return [show(host)];
  const found = Object.values(interfaces).flatMap((addresses) => addresses ?? []);
  const outside = found.filter(({ internal, address }) => !internal && !/^(fe80:|169\.254\.)/i.test(address));
  const isV4 = ({ address }: { address: string }) => !address.includes(':');
  return [...outside.filter(isV4), ...outside.filter((one) => !isV4(one))].map(({ address }) =>
    show(address),
  );
}

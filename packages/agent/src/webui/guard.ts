import { isIP } from 'node:net';

/** What of a request tells where it comes from. */
export interface RequestOrigin {
  readonly method: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly fetchSite: string | undefined;
  readonly contentType: string | undefined;
}

export interface Refusal {
  readonly status: 400 | 403 | 415 | 421;
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

/** The name of a `Host` header without its port; `undefined` for one that is none. */
function nameOf(host: string): string | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::\d{1,5})?$/.exec(host);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

/**
 * Refuses requests that a foreign page made a browser send. A page of another site cannot set `Origin`, cannot send
 * JSON without being asked about first, and reaches us under a name of its own (DNS rebinding), which is none of ours.
 * @param names names of this machine, besides addresses
 */
export function refusalOf(
  request: RequestOrigin,
  scheme: 'http' | 'https',
  names: readonly string[],
): Refusal | undefined {
  const { host, method, origin, fetchSite } = request;
  const name = host === undefined ? undefined : nameOf(host);
  if (name === undefined)
    return { status: 400, code: 'HOST_INVALID', message: 'The Host header is not valid' };
  const known = ['localhost', ...names.flatMap((own) => [own, `${own}.local`])].map((own) =>
    own.toLowerCase(),
  );
  if (isIP(name) === 0 && !known.includes(name)) {
    return {
      ...{ status: 421, code: 'HOST_UNKNOWN', message: `This machine is not called ${name}` },
      hint: 'Use its address, as the console shows it',
    };
  }
  if (method === 'GET' || method === 'HEAD') return undefined;
  if (origin !== `${scheme}://${host}` || (fetchSite !== undefined && fetchSite !== 'same-origin')) {
    return {
      ...{
        status: 403,
        code: 'ORIGIN_FOREIGN',
        message: 'The request does not come from the page of this installer',
      },
      hint: 'A program has to send the header Origin with the address that it calls',
    };
  }
  if (method !== 'DELETE' && !/^application\/json(;|$)/i.test(request.contentType ?? '')) {
    return { status: 415, code: 'NOT_JSON', message: 'The request has to be JSON' };
  }
  return undefined;
}

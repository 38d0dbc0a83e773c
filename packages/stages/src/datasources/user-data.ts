import { gunzipSync } from 'node:zlib';
import { MiB } from '@kairos/facts/size';

const maximumSize = 16 * MiB;

export type UserData =
  | { readonly kind: 'config'; readonly text: string }
  | { readonly kind: 'script'; readonly text: string }
  | { readonly kind: 'unknown' };

interface Part {
  readonly type: string;
  readonly text: string;
}

/** Headers of RFC 822: names in lower case, continued lines joined. */
function splitMessage(text: string): {
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
} {
  const end = /\r?\n\r?\n/.exec(text);
  const head = (end === null ? text : text.slice(0, end.index)).replace(/\r?\n[ \t]+/g, ' ');
  const headers = new Map<string, string>();
  for (const line of head.split(/\r?\n/)) {
    const [, name, value] = /^([A-Za-z0-9-]+):\s*(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) headers.set(name.toLowerCase(), value);
  }
  return { headers, body: end === null ? '' : text.slice(end.index + end[0].length) };
}

/** The parts of a MIME multipart message (RFC 2046, section 5.1), as clouds join several documents into one. */
function partsOf(text: string): Part[] | undefined {
  const { headers, body } = splitMessage(text);
  const boundary = /multipart\/[^;]+;.*?boundary="?([^";]+)"?/i.exec(headers.get('content-type') ?? '')?.[1];
  // VMware leaves the headers of the whole out.
  const mark = boundary ?? /^--([^\s-][^\r\n]*)\r?\n/.exec(text)?.[1];
  if (mark === undefined) return undefined;
  const pieces = (boundary === undefined ? text : body).split(
    new RegExp(`(?:^|\\r?\\n)--${RegExp.escape(mark)}(?:--)?[ \\t]*(?:\\r?\\n|$)`),
  );
  return pieces.slice(1).flatMap((piece) => {
    if (piece.trim() === '') return [];
    const part = splitMessage(piece);
    const encoding = part.headers.get('content-transfer-encoding')?.trim().toLowerCase();
    return {
      type: (part.headers.get('content-type') ?? 'text/plain').split(';')[0]?.trim().toLowerCase() ?? '',
      text: encoding === 'base64' ? Buffer.from(part.body, 'base64').toString() : part.body,
    };
  });
}

function isConfig(text: string): boolean {
  return (
    /^#(?:cloud|kairos|node)-config[ \t]*$/m.test(text.slice(0, 4096)) ||
    /^(?:stages|install|users|name|p2p|k3s):/m.test(text)
  );
}

/**
 * What user data is: a configuration, a script, or neither. Compressed data is unpacked; of a multipart message the
 * first configuration counts, else its first script.
 */
export function readUserData(given: Uint8Array): UserData {
  let bytes = given;
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    try {
      bytes = gunzipSync(bytes, { maxOutputLength: maximumSize });
    } catch {
      return { kind: 'unknown' };
    }
  }
  const text = new TextDecoder().decode(bytes);
  const parts = partsOf(text);
  if (parts !== undefined) {
    const config = parts.find((part) => part.type === 'text/cloud-config' || isConfig(part.text));
    if (config !== undefined) return { kind: 'config', text: config.text };
    const script = parts.find((part) => part.text.startsWith('#!'));
    return script === undefined ? { kind: 'unknown' } : { kind: 'script', text: script.text };
  }
  if (text.startsWith('#!')) return { kind: 'script', text };
  return isConfig(text) ? { kind: 'config', text } : { kind: 'unknown' };
}

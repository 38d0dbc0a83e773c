import { bytesOf, textOf } from '../bytes.ts';
import { TemplateFailure } from '../failure.ts';
import { type TemplateFunction, takes } from '../function.ts';
import { type Dict, describe } from '../value.ts';

/** RFC 3986 appendix B, with the parts that sprig names. */
const pattern = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s;

function decode(text: string): string {
  if (/%(?![\da-fA-F]{2})/.test(text))
    throw new TemplateFailure('a % in the URL is not followed by two hex digits');
  if (!text.includes('%')) return text;
  const bytes: number[] = [];
  for (const [part, hex] of text.matchAll(/%([\da-fA-F]{2})|[^%]+/g)) {
    if (hex !== undefined) bytes.push(Number.parseInt(hex, 16));
    else for (const byte of bytesOf(part)) bytes.push(byte);
  }
  return textOf(Uint8Array.from(bytes));
}

function parse(text: string): Dict {
  if (/[\0-\x1f\x7f]/.test(text)) throw new TemplateFailure('the URL holds a control character');
  const match = pattern.exec(text);
  if (match === null) throw new TemplateFailure('the text is not a URL');
  const [, scheme = '', authority, path = '', query = '', fragment = ''] = match;
  const at = authority?.lastIndexOf('@') ?? -1;
  const host = authority?.slice(at + 1) ?? '';
  const opaque = scheme !== '' && authority === undefined && path !== '' && !path.startsWith('/') ? path : '';
  const port = /:\d*$/.exec(host)?.[0] ?? '';
  const hostname = host.slice(0, host.length - port.length).replace(/^\[(.*)\]$/, '$1');
  return new Map([
    ['fragment', decode(fragment)],
    ['host', host],
    ['hostname', hostname],
    ['opaque', opaque],
    ['path', opaque === '' ? decode(path) : ''],
    ['query', query],
    ['scheme', scheme.toLowerCase()],
    ['userinfo', at < 0 ? '' : (authority?.slice(0, at) ?? '')],
  ]);
}

const encodeExcept = (text: string, kept: RegExp): string =>
  Array.from(bytesOf(text), (byte) => {
    const character = String.fromCharCode(byte);
    return kept.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');

function join(parts: Dict): string {
  const part = (name: string): string => {
    const value = parts.get(name) ?? '';
    if (typeof value !== 'string')
      throw new TemplateFailure(`${name} must be a string, got ${describe(value)}`);
    return value;
  };
  const [scheme, opaque, host, userinfo] = [part('scheme'), part('opaque'), part('host'), part('userinfo')];
  let url = scheme === '' ? '' : `${scheme}:`;
  if (opaque !== '') {
    url += opaque;
  } else {
    const path = encodeExcept(part('path'), /[A-Za-z0-9\-_.~$&+,/:;=@!'()*]/);
    if (host !== '' || userinfo !== '') url += `//${userinfo === '' ? '' : `${userinfo}@`}${host}`;
    url += path !== '' && !path.startsWith('/') && host !== '' ? `/${path}` : path;
  }
  if (part('query') !== '') url += `?${part('query')}`;
  if (part('fragment') !== '') url += `#${encodeExcept(part('fragment'), /[A-Za-z0-9\-_.~$&+,/:;=?@!'()*]/)}`;
  return url;
}

export const urlFunctions: Readonly<Record<string, TemplateFunction>> = {
  urlJoin: takes(['dict'], (_, parts) => join(parts)),
  urlParse: takes(['string'], (_, text) => parse(text)),
};

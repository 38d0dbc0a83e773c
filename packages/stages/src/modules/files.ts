import { gunzipSync } from 'node:zlib';
import { reasonOf } from '@kairos/facts/errors';
import { formatSize, MiB } from '@kairos/facts/size';
import type { ModuleContext, StageModule } from '../context.ts';
import type { Field } from '../field.ts';
import { writablePath } from '../links.ts';
import { type Ownership, ownershipOf } from '../ownership.ts';
import { problemOf } from '../problem.ts';

const keys = [
  'path',
  'content',
  'encoding',
  'permissions',
  'owner',
  'group',
  'ownerstring',
  'append',
  'defer',
] as const;

/** What a compressed content may grow to. */
const maximumContent = 256 * MiB;
const defaultMode = 0o644;

/** Base64 by RFC 4648, with line breaks allowed and nothing else. */
function decodeBase64(text: string, field: Field): Buffer {
  const compact = text.replace(/\s+/g, '');
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(compact) || compact.replace(/=+$/, '').length % 4 === 1) {
    throw field.invalid('CONTENT_UNDECODABLE', 'the content is not base64');
  }
  return Buffer.from(compact, 'base64');
}

function decompress(bytes: Uint8Array, field: Field): Buffer {
  try {
    return gunzipSync(bytes, { maxOutputLength: maximumContent });
  } catch (error) {
    throw field.invalid(
      'CONTENT_UNDECODABLE',
      `the content is not gzip or is larger than ${formatSize(maximumContent)}: ${reasonOf(error)}`,
    );
  }
}

/**
 * Decodes a content by the names that cloud-init and yip use: `b64`, `gz`, `gz+b64` and their long forms.
 * @throws KairosError `ENCODING_UNKNOWN`, `CONTENT_UNDECODABLE`
 */
export function decodeContent(content: string, encoding: string, field: Field): string | Uint8Array {
  switch (encoding.trim().toLowerCase()) {
    case '':
    case 'text':
    case 'plain':
    case 'text/plain':
      return content;
    case 'b64':
    case 'base64':
      return decodeBase64(content, field);
    case 'gz':
    case 'gzip':
      // Bytes of YAML's !!binary or of a double-quoted text, one byte a character.
      return decompress(Buffer.from(content, 'latin1'), field);
    case 'gz+b64':
    case 'gz+base64':
    case 'gzip+b64':
    case 'gzip+base64':
      return decompress(decodeBase64(content, field), field);
    default:
      throw field.invalid(
        'ENCODING_UNKNOWN',
        `encoding ${JSON.stringify(encoding)} is not known`,
        'Write b64, gz or gz+b64, or leave it out',
      );
  }
}

/** A text in UTF-8, or `undefined` for anything else: only texts are templates. */
function textOf(content: string | Uint8Array): string | undefined {
  if (typeof content === 'string') return content;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    return undefined;
  }
}

/** @throws KairosError `PATH_INVALID` for a path that is not absolute */
export function absolutePath(field: Field, context: ModuleContext): string {
  field.requiredText('a path');
  const path = context.render(field) ?? '';
  if (!path.startsWith('/') || /[\n\0]/.test(path)) {
    throw field.invalid('PATH_INVALID', `${JSON.stringify(path)} is not an absolute path`);
  }
  return path;
}

/** The owner asked for; whoever makes it where that one is not known, which is reported. */
export function ownershipOrNone(item: Field, context: ModuleContext): Ownership {
  try {
    return ownershipOf(context.host.files, item);
  } catch (error) {
    context.report(problemOf(error, { position: item.position }));
    return {};
  }
}

function writeFile(item: Field, context: ModuleContext): void {
  const { files } = context.host;
  item.checkKeys(keys, context.report);
  const path = absolutePath(item.key('path'), context);
  const field = item.key('content');
  const decoded = decodeContent(field.text() ?? '', item.key('encoding').text() ?? '', field);
  const text = textOf(decoded);
  const content = text?.includes('{{') ? context.renderText(text, field) : decoded;
  const mode = item.key('permissions').permissions(context.report) ?? defaultMode;
  const owner = ownershipOrNone(item, context);
  const place = writablePath(files, path);
  if (item.key('append').flag()) {
    const before = files.status(place) === undefined ? new Uint8Array() : files.readBytes(place);
    files.write(place, Buffer.concat([before, Buffer.from(content)]), { mode, ...owner });
  } else {
    files.write(place, content, { mode, ...owner });
  }
}

/** Writes files, each whole and with its final mode and owner before it is seen under its name. */
export const files: StageModule = async (field, context) => {
  for (const item of field.items()) {
    if (!item.empty) await context.attempt(item, () => writeFile(item, context));
  }
};

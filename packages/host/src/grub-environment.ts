import { KairosError } from '@kairos/facts/errors';
import type { Host, HostFiles } from './host.ts';
import { replaceForBootLoader } from './replace-for-boot-loader.ts';

/**
 * GRUB's environment block: 1024 bytes that begin with a header line, then `name=value` lines, then `#` to the end.
 * GRUB itself rewrites the block in place, sector by sector, and neither grows nor moves the file, so the size is
 * fixed (GRUB manual, "The GRUB environment block"; grub-core/lib/envblk.c).
 */
export const grubEnvironmentSize = 1024;
const header = '# GRUB Environment Block\n';

export type GrubVariables = Readonly<Record<string, string>>;

function corrupt(where: string, reason: string): KairosError {
  return new KairosError('GRUB_ENVIRONMENT_CORRUPT', `${where} is not a GRUB environment block: ${reason}`, {
    exit: 'wrongState',
    hint: `Remove ${where}; it is written anew`,
  });
}

/**
 * Reads a block. A backslash takes the next character as it is; a line that begins with `#` is padding or a comment.
 * @throws KairosError `GRUB_ENVIRONMENT_CORRUPT`
 */
export function parseGrubEnvironment(block: Uint8Array, where: string): Record<string, string> {
  const text = Buffer.from(block).toString('utf8');
  if (!text.startsWith(header)) throw corrupt(where, 'the header line is missing');
  const variables: Record<string, string> = {};
  let at = header.length;
  while (at < text.length) {
    let line = '';
    let end = at;
    if (text[at] === '#') {
      const newline = text.indexOf('\n', at);
      at = newline < 0 ? text.length : newline + 1;
      continue;
    }
    for (; end < text.length && text[end] !== '\n'; end++) {
      if (text[end] === '\\' && end + 1 < text.length) end++;
      line += text[end];
    }
    at = end + 1;
    if (line === '') continue;
    const equals = line.indexOf('=');
    if (equals <= 0) throw corrupt(where, `${JSON.stringify(line.slice(0, 40))} is not name=value`);
    variables[line.slice(0, equals)] = line.slice(equals + 1);
  }
  return variables;
}

/**
 * Makes a block: names sorted, variables without a value left out, padded.
 * @throws KairosError `GRUB_VARIABLE_INVALID`, `GRUB_ENVIRONMENT_FULL`
 */
export function formatGrubEnvironment(variables: GrubVariables, where: string): Uint8Array {
  let text = header;
  for (const name of Object.keys(variables).sort()) {
    const value = variables[name];
    if (value === undefined || value === '') continue;
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || value.includes('\0')) {
      throw new KairosError('GRUB_VARIABLE_INVALID', `Cannot keep ${JSON.stringify(name)} in ${where}`, {
        exit: 'invalidInput',
        hint: 'A name is letters, digits and underscores; a value holds no NUL character',
      });
    }
    text += `${name}=${value.replace(/[\\\n]/g, '\\$&')}\n`;
  }
  const size = Buffer.byteLength(text);
  if (size > grubEnvironmentSize) {
    throw new KairosError(
      'GRUB_ENVIRONMENT_FULL',
      `The variables for ${where} take ${size} bytes, a GRUB environment block holds ${grubEnvironmentSize}`,
      { exit: 'invalidInput', hint: 'Shorten the kernel arguments' },
    );
  }
  return Buffer.concat([Buffer.from(text), Buffer.alloc(grubEnvironmentSize - size, '#')]);
}

/** The variables of the block at `path`; none where there is no such file. */
export function readGrubEnvironment(files: HostFiles, path: string): Record<string, string> {
  return files.exists(path) ? parseGrubEnvironment(files.readBytes(path), path) : {};
}

/**
 * Merges `changes` into the block at `path`; an empty value removes the variable. The machine may lose its power at any
 * moment and starts from what GRUB sees, which finds the file's blocks anew at each boot: to it, too, the block is the old
 * or the new one at every instant. Its mode and owner stay. The file system has to be writable.
 */
export function updateGrubEnvironment(
  host: Host,
  path: string,
  changes: GrubVariables,
): Record<string, string> {
  const variables = { ...readGrubEnvironment(host.files, path), ...changes };
  const block = formatGrubEnvironment(variables, path);
  const status = host.files.status(path);
  const kept = status?.kind === 'file' ? { mode: status.mode, uid: status.uid, gid: status.gid } : {};
  replaceForBootLoader(host, path, block, kept);
  return parseGrubEnvironment(block, path);
}

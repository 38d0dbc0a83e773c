import type { StageModule } from '../context.ts';
import { writablePath } from '../links.ts';
import { absolutePath } from './files.ts';

const defaultFile = '/etc/environment';

/** A value as `sh`, systemd and PAM all read it. Line breaks become `\n`, since a line is an assignment. */
export function quoteValue(value: string): string {
  if (/^[\w@%+:,./-]*$/.test(value) && value !== '') return value;
  return `"${value
    .replace(/[\\"$`]/g, '\\$&')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')}"`;
}

/**
 * Sets assignments in a text: a known name at its place, a new one at the end; everything else stays.
 */
export function mergeEnvironment(text: string, values: ReadonlyMap<string, string>): string {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const left = new Map(values);
  const merged = lines.flatMap((line) => {
    const [, lead = '', name = ''] = /^(\s*(?:export\s+)?)([A-Za-z_][A-Za-z0-9_]*)=/.exec(line) ?? [];
    if (!values.has(name)) return [line];
    const value = left.get(name);
    left.delete(name);
    // An earlier line of the same name was already set; the later one would win over it.
    return value === undefined ? [] : [`${lead}${name}=${quoteValue(value)}`];
  });
  for (const [name, value] of left) merged.push(`${name}=${quoteValue(value)}`);
  return merged.length === 0 ? '' : `${merged.join('\n')}\n`;
}

/** Merges `environment` into `environment_file` (`/etc/environment`). */
export const environment: StageModule = async (field, context, keys) => {
  const { files } = context.host;
  const fileField = keys.get('environment_file');
  const path = writablePath(
    files,
    fileField === undefined || fileField.empty ? defaultFile : absolutePath(fileField, context),
  );
  const values = new Map<string, string>();
  for (const [name, item] of field.entries()) {
    await context.attempt(item, () => {
      if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
        throw item.invalid(
          'NAME_INVALID',
          `${JSON.stringify(name)} cannot be the name of an environment variable`,
        );
      }
      values.set(name, context.render(item) ?? '');
    });
  }
  if (values.size === 0) return;
  const old = files.status(path);
  files.write(path, mergeEnvironment(files.readTextIfAny(path) ?? '', values), { mode: old?.mode ?? 0o644 });
};

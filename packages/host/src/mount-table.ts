export interface Mount {
  readonly source: string;
  readonly target: string;
  readonly type: string;
  readonly options: readonly string[];
}

/** Mount tables write space, tab, newline and backslash as octal escapes. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/**
 * Parses `/proc/self/mountinfo` (proc(5)): fields before ` - ` belong to the mount, those behind it to the file
 * system. Options of both are joined, those of the mount first.
 */
export function parseMountTable(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split('\n')) {
    const [own, filesystem] = line.split(' - ');
    if (own === undefined || filesystem === undefined) continue;
    const [, , , , target = '', flags = ''] = own.split(' ');
    const [type = '', source = '', superOptions = ''] = filesystem.split(' ');
    mounts.push({
      source: unescapeOctal(source),
      target: unescapeOctal(target),
      type,
      options: [...new Set([...flags.split(','), ...superOptions.split(',')])].filter(Boolean),
    });
  }
  return mounts;
}

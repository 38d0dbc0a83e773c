/**
 * Reads the shell-like assignments of os-release(5): one `KEY=value` a line, values perhaps quoted.
 */
export function parseAssignments(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const match = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*?)\s*$/.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) continue;
    const raw = match[2];
    values[match[1]] = raw.startsWith("'")
      ? raw.replaceAll("'", '')
      : raw.replace(/^"(.*)"$/s, '$1').replace(/\\(["$`\\])/g, '$1');
  }
  return values;
}

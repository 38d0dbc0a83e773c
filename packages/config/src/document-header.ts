const headers = ['#cloud-config', '#kairos-config', '#node-config'];
/** A header counts within the first lines only, so that a comment far below does not make a file ours. */
const headerLines = 9;

export function headerOf(text: string): string | undefined {
  for (const line of text.split('\n', headerLines)) {
    const trimmed = line.trimEnd();
    if (headers.includes(trimmed)) return trimmed;
  }
  return undefined;
}

/** A line that was meant as a header and is none, with what is wrong about it. */
export function nearlyHeader(text: string): { readonly line: number; readonly hint: string } | undefined {
  const lines = text.slice(0, 16_384).split('\n');
  const index = lines.findIndex((line) => /^\uFEFF?\s*#+\s*(cloud|kairos|node)[-_ ]?config\s*$/i.test(line));
  const line = lines[index]?.trimEnd();
  if (line === undefined) return undefined;
  if (headers.includes(line)) {
    return { line: index + 1, hint: `Move ${line} up: it counts within the first ${headerLines} lines only` };
  }
  if (headers.includes(line.replace('\uFEFF', ''))) {
    return { line: index + 1, hint: 'Save the file without a byte order mark' };
  }
  const right = headers.find((header) =>
    header.startsWith(`#${/cloud|kairos|node/i.exec(line)?.[0].toLowerCase()}`),
  );
  return { line: index + 1, hint: `Write exactly ${right} on this line` };
}

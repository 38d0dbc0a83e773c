/** The words of a kernel command line. Double quotes group, as in the kernel's own parser. */
export function cmdlineWords(cmdline: string): string[] {
  const words: string[] = [];
  for (const match of cmdline.matchAll(/(?:[^\s"]|"[^"]*")+/g)) words.push(match[0].replaceAll('"', ''));
  return words;
}

/** The value of the first `name=value` word, `''` for a bare `name`, `undefined` where it is absent. */
export function cmdlineValue(cmdline: string, name: string): string | undefined {
  for (const word of cmdlineWords(cmdline)) {
    if (word === name) return '';
    if (word.startsWith(`${name}=`)) return word.slice(name.length + 1);
  }
  return undefined;
}

/** All values of a word that may be repeated. */
export function cmdlineValues(cmdline: string, name: string): string[] {
  return cmdlineWords(cmdline)
    .filter((word) => word.startsWith(`${name}=`))
    .map((word) => word.slice(name.length + 1));
}

/** An entry of GRUB's menu. */
export interface MenuEntry {
  /** By this it is chosen: its `--id`, or its title where it has none. */
  readonly id: string;
  readonly title: string;
}

const word = String.raw`"(?:[^"\\]|\\.)*"|'[^']*'|[^\s{"']+`;
const entryLine = new RegExp(
  String.raw`^[ \t]*(?:menuentry|submenu)[ \t]+(${word})([^\n]*?)\{?[ \t]*$`,
  'gm',
);
const idOption = new RegExp(String.raw`(?:--id[= \t]|\$\{?menuentry_id_option\}?[ \t])[ \t]*(${word})`);

const unquote = (text: string) =>
  text.startsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text.replace(/^'(.*)'$/, '$1');

/**
 * The entries of a GRUB configuration, as far as it states them plainly.
 * @param title Value of the variable `title`, which our menu makes titles of
 */
export function parseMenuEntries(config: string, title = 'Kairos'): MenuEntry[] {
  return [...config.matchAll(entryLine)].map(([, name = '', options = '']) => {
    const shown = unquote(name).replace(/\$\{?title\}?/g, title);
    const id = idOption.exec(options)?.[1];
    return { id: id === undefined ? shown : unquote(id), title: shown };
  });
}

/** A size in the units that disks are sold in and people read. */
export function sizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value >= 100 || Number.isInteger(value) ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Parts of an installation in the words of people. */
export const phases: readonly (readonly [string, string])[] = [
  ['prepare', 'Prepare'],
  ['partition', 'Partition the disk'],
  ['before-install', 'Run the stage before-install'],
  ['active', 'Copy the system'],
  ['bootloader', 'Install the boot loader'],
  ['recovery', 'Copy the recovery system'],
  ['passive', 'Copy the fallback system'],
  ['after-install', 'Run the stage after-install'],
  ['done', 'Finish'],
];

/** Arguments of a line, separated by blanks; quotes keep blanks. */
export function wordsOf(line: string): string[] {
  return [...line.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+/g)].map(([word]) => word.replaceAll(/["']/g, ''));
}

/** Lines that say something. */
export function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

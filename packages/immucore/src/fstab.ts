import type { Mount } from '@kairos/host/mount-table';

/** fstab(5) separates by blanks, so blanks inside a field are octal escapes. */
function field(text: string): string {
  return text.replace(
    /[ \t\n\v\f\r\\#]/g,
    (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`,
  );
}

/**
 * The text of `/etc/fstab` for mounts that have been made. Of several on one target the last is what the system sees.
 * No line asks for a check or a dump: whatever needed a check had it before it was mounted.
 */
export function renderFstab(mounts: readonly Mount[]): string {
  const lines = new Map<string, string>();
  for (const { source, target, type, options } of mounts) {
    lines.delete(target);
    const words = options.length === 0 ? 'defaults' : options.join(',');
    lines.set(target, `${[source, target, type, words].map(field).join(' ')} 0 0\n`);
  }
  const header = '# Written by immucore at each boot from the mounts it made; changes are lost.\n';
  return header + [...lines.values()].join('');
}

import { KairosError, type Position } from '@kairos/facts/errors';

/**
 * Sane permission bits: whoever has less standing has no right that one with more standing lacks, and nobody
 * may write what he may not read.
 */
function plausible(mode: number): boolean {
  if (mode < 0 || mode > 0o777) return false;
  const [owner, group, other] = [(mode >> 6) & 7, (mode >> 3) & 7, mode & 7];
  const subset = (a: number, b: number) => (a & ~b) === 0;
  const readable = (bits: number) => (bits & 2) === 0 || (bits & 4) !== 0;
  return subset(group, owner) && subset(other, group) && [owner, group, other].every(readable) && owner >= 4;
}

/**
 * Reads permission bits in every spelling that is in use: `0644`, `0o644`, `"0644"`, `"644"`, `"u=rw"` is not.
 *
 * A bare decimal number is a trap: tools that print YAML write 0644 as `420`, and people write `644`. The decimal
 * value is taken where it makes sense as permissions; else the digits are read as octal and a warning says so.
 *
 * @param source the scalar as written
 * @param quoted whether it was a string in YAML, in which case the digits are octal
 * @throws KairosError `PERMISSIONS_INVALID`
 */
export function parsePermissions(
  source: string,
  quoted: boolean,
  position: Position,
): { readonly mode: number; readonly warning?: string } {
  const text = source.trim();
  const octal = /^0?o?([0-7]{1,5})$/i.exec(text)?.[1];
  const octalMode = octal === undefined ? Number.NaN : Number.parseInt(octal, 8);
  const explicit = quoted || /^0/.test(text);
  if (explicit && octalMode <= 0o7777) return { mode: octalMode };
  if (!explicit && /^\d{1,5}$/.test(text)) {
    const decimal = Number(text);
    const asOctal = octalMode <= 0o7777 && plausible(octalMode);
    if (plausible(decimal) || (!asOctal && decimal <= 0o7777)) {
      // 511 is what tools print for 0777; nobody means 0511.
      return asOctal && decimal !== 0o777
        ? {
            mode: decimal,
            warning: `permissions ${text} is a decimal number and means 0${decimal.toString(8)}; write 0${text} if that is meant`,
          }
        : { mode: decimal };
    }
    if (asOctal) {
      return { mode: octalMode, warning: `permissions ${text} is read as octal 0${text}; write 0${text}` };
    }
  }
  throw new KairosError(
    'PERMISSIONS_INVALID',
    `permissions ${JSON.stringify(source)} are not permission bits`,
    {
      exit: 'invalidInput',
      position,
      hint: 'Write them in octal, for example 0644',
    },
  );
}

export const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;

/** A size for people, with one decimal and a binary unit: `3.1 GiB`. */
export function formatSize(bytes: number): string {
  if (bytes < KiB) return `${bytes} B`;
  for (const [unit, one] of [
    ['KiB', KiB],
    ['MiB', MiB],
  ] as const) {
    if (bytes < one * 1024) return `${(bytes / one).toFixed(1)} ${unit}`;
  }
  return `${(bytes / GiB).toFixed(1)} GiB`;
}

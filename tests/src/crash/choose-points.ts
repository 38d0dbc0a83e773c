import type { Verdict } from './boot-check.ts';
import type { Operation } from './session-script.ts';

/** A state right after a flush that was judged. */
export interface JudgedPoint {
  readonly entry: number;
  readonly operation: Operation;
  readonly verdict: Verdict;
}

/** `count` of the items, spread over all of them, the first and the last included. */
export function spread<Item>(items: readonly Item[], count: number): Item[] {
  if (count >= items.length) return [...items];
  if (count <= 1) return items.slice(0, count);
  return Array.from(
    { length: count },
    (_, index) => items[Math.round((index * (items.length - 1)) / (count - 1))] as Item,
  );
}

/**
 * The points that are worth a real start: those at which something that can be told from outside has just changed, of
 * them first those that start at the second attempt and those at which slots changed their names.
 */
export function pointsToBoot(points: readonly JudgedPoint[], count: number): JudgedPoint[] {
  const bootable = points.filter(({ verdict }) => verdict.boots !== undefined);
  const changed = bootable.filter((point, index) => {
    const before = bootable[index - 1];
    return before?.operation !== point.operation || before.verdict.fingerprint !== point.verdict.fingerprint;
  });
  const boots = (point: JudgedPoint | undefined) => JSON.stringify(point?.verdict.boots);
  const first = changed.filter(
    (point, index) => point.verdict.secondStart || boots(point) !== boots(changed[index - 1]),
  );
  const chosen = new Set(spread(first, Math.ceil((count * 2) / 3)));
  const others = changed.filter((point) => !chosen.has(point));
  for (const point of spread(others, count - chosen.size)) chosen.add(point);
  return [...chosen].sort((a, b) => a.entry - b.entry);
}

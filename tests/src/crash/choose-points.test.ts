import { expect, test } from 'bun:test';
import { type JudgedPoint, pointsToBoot, spread } from './choose-points.ts';

test.each([
  [[1, 2, 3, 4, 5], 3, [1, 3, 5]],
  [[1, 2], 5, [1, 2]],
  [[1, 2, 3], 1, [1]],
  [[1, 2, 3], 0, []],
  [[], 2, []],
])('%j, %d of them', (items, count, expected) => {
  expect(spread(items, count)).toEqual(expected);
});

test('points are chosen where something has changed, first where another system starts', () => {
  const point = (
    entry: number,
    fingerprint: string,
    version: string | undefined,
    secondStart = false,
  ): JudgedPoint => ({
    entry,
    operation: 'upgrade',
    verdict: {
      ...{ losses: [], notInstalled: version === undefined, secondStart, runs: undefined, fingerprint },
      boots: version === undefined ? undefined : { slot: 'active', version },
    },
  });
  const points = [
    point(1, 'none', undefined),
    point(2, 'a', 'v1'),
    point(3, 'a', 'v1'),
    point(4, 'menu', 'v1'),
    point(5, 'switching', 'v1', true),
    point(6, 'b', 'v2'),
    point(7, 'b', 'v2'),
    point(8, 'clean', 'v2'),
  ];
  const entries = (count: number) => pointsToBoot(points, count).map(({ entry }) => entry);
  expect(entries(12)).toEqual([2, 4, 5, 6, 8]);
  expect(entries(4)).toEqual([2, 4, 5, 6]);
  expect(entries(3)).toEqual([2, 4, 6]);
});

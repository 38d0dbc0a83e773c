import { expect, test } from 'bun:test';
import { machineHost } from '@kairos/host/machine';
import type { Base } from './base.ts';
import { baseOf, planImage } from './plan-image.ts';

const request = (base?: string) => ({
  ...{ directory: '/work', output: '/out', executable: '/kairos' },
  definition: base === undefined ? {} : { base },
});

test.each<[string, Base]>([
  ['debian:13', { kind: 'debian', release: '13' }],
  ['dir:root', { kind: 'dir', path: '/work/root' }],
  ['tar:/a/root.tar', { kind: 'tar', path: '/a/root.tar' }],
])('%s is found beside the definition', (base, expected) => {
  expect(baseOf(request(base))).toEqual(expected);
});

test('a definition without a base is refused', () => {
  expect(() => baseOf(request())).toThrow(
    expect.objectContaining({ code: 'BASE_MISSING', exit: 'invalidInput' }),
  );
});

test('a directory that is not there is no root without a distribution', async () => {
  const options = { cacheDirectory: '/nowhere', workDirectory: '/nowhere' };
  await expect(planImage(machineHost(), request('dir:/nowhere/root'), options)).rejects.toMatchObject({
    code: 'BASE_NOT_FOUND',
    exit: 'notFound',
  });
});

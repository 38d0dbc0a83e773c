import { expect, test } from 'bun:test';
import { uuidFor, volumeIdFor } from './identifiers.ts';

test('identifiers follow from seed and name', () => {
  const uuid = uuidFor('sha256:00', 'state');
  expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(uuidFor('sha256:00', 'state')).toBe(uuid);
  expect(uuidFor('sha256:00', 'oem')).not.toBe(uuid);
  expect(uuidFor('sha256:01', 'state')).not.toBe(uuid);
  expect(volumeIdFor('sha256:00', 'efi')).toMatch(/^[0-9a-f]{8}$/);
});

import { z } from 'zod';
import { root } from './schema/root.ts';

/**
 * The JSON Schema (draft 2020-12) of a cloud-config, for editors. Made from the same source as the validation, so that
 * the two cannot drift apart.
 */
export function jsonSchema(version: string): Record<string, unknown> {
  const schema = z.toJSONSchema(root, { target: 'draft-2020-12', io: 'input' });
  return {
    ...schema,
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: `https://kairos.io/${version}/cloud-config.json`,
    title: 'Kairos cloud-config',
  };
}

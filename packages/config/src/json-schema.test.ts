import { describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv2020 from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { mergeDocuments, readDocument } from './collect.ts';
import { jsonSchema } from './json-schema.ts';
import { root } from './schema/root.ts';
import { plainValue } from './tree.ts';

const schema = jsonSchema('1.2.3');
/** Strict: a keyword that a validator does not know would be silence in an editor. */
const validator = new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true });
const validate = validator.compile(schema);

test('is a valid schema of draft 2020-12 with an identifier', () => {
  expect(validator.validateSchema(schema)).toBe(true);
  expect(schema.$id).toBe('https://kairos.io/1.2.3/cloud-config.json');
});

describe('an independent validator comes to the same verdict', () => {
  const folder = join(import.meta.dir, '../fixtures');
  test.each(
    readdirSync(folder)
      .filter((name) => name.endsWith('.yaml'))
      .sort(),
  )('%s', (name) => {
    const { documents } = readDocument(readFileSync(join(folder, name), 'utf8'), name, {
      headerNeeded: false,
    });
    if (documents.length === 0) return;
    const value = plainValue(mergeDocuments(documents).tree);
    expect([validate(value), validate.errors?.[0]?.message]).toEqual(
      root.safeParse(value).success ? [true, undefined] : [false, expect.any(String)],
    );
  });

  const keys = Object.keys(root.shape);
  const scalar = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.double({ noNaN: true }),
  );
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 4 },
      scalar,
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(
        fc.constantFrom(
          'name',
          'path',
          'enable',
          'auto',
          'size',
          'boot',
          'files',
          'commands',
          'users',
          'permissions',
          'source',
          'system',
        ),
        tie('any'),
        { maxKeys: 3 },
      ),
    ),
  })).any;
  test('on any values of the known keys', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 3 }), (config) => {
        expect(validate(config)).toBe(root.safeParse(config).success);
      }),
      { numRuns: 1500 },
    );
  });
});

test('tells editors what each key is for', () => {
  const properties = schema.properties as Record<string, { description?: string }>;
  expect(Object.keys(properties).filter((key) => !properties[key]?.description)).toEqual([]);
});

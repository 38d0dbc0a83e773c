import { z } from 'zod';

/** Looks through what wraps a schema: optional, nullable, defaults; of a choice, at the map that it may be. */
function unwrap(schema: z.ZodType): z.ZodType {
  let inner = schema;
  for (;;) {
    if (inner instanceof z.ZodOptional || inner instanceof z.ZodNullable || inner instanceof z.ZodDefault) {
      inner = inner.unwrap() as z.ZodType;
    } else if (inner instanceof z.ZodUnion) {
      const map = (inner.options as z.ZodType[]).map(unwrap).find((option) => option instanceof z.ZodObject);
      if (map === undefined) return inner;
      inner = map;
    } else return inner;
  }
}

/** The schema of the value at a path, where the schema says one. */
export function schemaAt(schema: z.ZodType, path: readonly PropertyKey[]): z.ZodType | undefined {
  let found: z.ZodType | undefined = unwrap(schema);
  for (const step of path) {
    if (found instanceof z.ZodObject) found = found.shape[String(step)];
    else if (found instanceof z.ZodArray) found = found.element as z.ZodType;
    else if (found instanceof z.ZodRecord) found = found.valueType as z.ZodType;
    else return undefined;
    if (found === undefined) return undefined;
    found = unwrap(found);
  }
  return found;
}

/** The keys that a map at a path may have; `undefined` where any may stand. */
export function knownKeysAt(schema: z.ZodType, path: readonly PropertyKey[]): readonly string[] | undefined {
  const found = schemaAt(schema, path);
  return found instanceof z.ZodObject ? Object.keys(found.shape) : undefined;
}

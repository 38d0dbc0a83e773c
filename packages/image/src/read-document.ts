import { type Document, parseDocument } from '@kairos/config/document';
import { KairosError } from '@kairos/facts/errors';
import { didYouMean } from '@kairos/facts/suggest';
import { z } from 'zod';

/** Keys that an object at a path of a schema may have, for suggestions. */
function keysAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let options: z.ZodType[] = [schema];
  const plain = (type: z.ZodType): z.ZodType[] => {
    if (type instanceof z.ZodOptional || type instanceof z.ZodDefault || type instanceof z.ZodNullable) {
      return plain(type.unwrap() as z.ZodType);
    }
    if (type instanceof z.ZodUnion) return type.options.flatMap((option) => plain(option as z.ZodType));
    if (type instanceof z.ZodPipe) return plain(type.in as z.ZodType);
    return [type];
  };
  options = options.flatMap(plain);
  for (const step of path) {
    options = options.flatMap((option) => {
      if (option instanceof z.ZodObject) {
        const member = (option.shape as Record<string, z.ZodType>)[String(step)];
        return member === undefined ? [] : plain(member);
      }
      if (option instanceof z.ZodArray) return plain(option.element as z.ZodType);
      if (option instanceof z.ZodRecord) return plain(option.valueType as z.ZodType);
      return [];
    });
  }
  return options.flatMap((option) => (option instanceof z.ZodObject ? Object.keys(option.shape) : []));
}

interface Found {
  readonly path: readonly (string | number)[];
  readonly onKey: boolean;
  readonly message: string;
  readonly hint?: string;
}

/** What a value must be, in the words of people who write YAML, and how it is written. */
const kinds: Readonly<Record<string, readonly [expected: string, hint: string]>> = {
  string: ['a text', 'Put it in quotes.'],
  array: ['a list', 'Write [one, two], or each item on a line of its own after "- ".'],
  object: ['a map of keys', 'Write keys with their values on lines of their own, indented.'],
  boolean: ['true or false', 'Write true or false, without quotes.'],
};

function kindOf(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map of keys';
  return typeof value === 'string' ? 'a text' : `a ${typeof value}`;
}

function findings(schema: z.ZodType, issue: z.core.$ZodIssue, value: unknown): Found[] {
  const path = issue.path.filter((step) => typeof step !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(schema, path);
    return issue.keys.map((key) => {
      const meant = didYouMean(key, known);
      return {
        path: [...path, key],
        onKey: true,
        message: `unknown key ${JSON.stringify(key)}${meant === undefined ? '' : `, did you mean ${JSON.stringify(meant)}?`}`,
        hint:
          meant === undefined
            ? `Keys that may stand here: ${known.sort().join(', ')}.`
            : `Write ${meant} instead of ${key}.`,
      };
    });
  }
  const where = path.length === 0 ? 'the document' : path.join('.');
  const found = path.reduce<unknown>(
    (at, step) => (typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[step] : undefined),
    value,
  );
  if (issue.code === 'invalid_value') {
    const meant = typeof found === 'string' ? didYouMean(found, issue.values.map(String)) : undefined;
    return [
      {
        path,
        onKey: false,
        message: `${where} is ${JSON.stringify(found)}${meant === undefined ? '' : `, did you mean ${JSON.stringify(meant)}?`}`,
        hint: `Allowed: ${issue.values.map(String).join(', ')}.`,
      },
    ];
  }
  if (issue.code === 'invalid_type' && found !== undefined) {
    const [expected, hint] = kinds[issue.expected] ?? [`of the kind ${issue.expected}`, undefined];
    const message = `${where} must be ${expected}, and is ${kindOf(found)}`;
    return [{ path, onKey: false, message, ...(hint === undefined ? {} : { hint }) }];
  }
  if (issue.code === 'invalid_type' && found === undefined) {
    return [{ path, onKey: false, message: `${where} is missing` }];
  }
  if (issue.code === 'invalid_union') {
    // The alternative that came furthest is the one that was meant.
    const depth = (issues: readonly z.core.$ZodIssue[]) =>
      Math.max(...issues.map((each) => each.path.length), 0);
    const best = [...issue.errors].sort((a, b) => depth(b) - depth(a) || a.length - b.length)[0];
    const [first] = best ?? [];
    if (first !== undefined) {
      return findings(schema, { ...first, path: [...path, ...first.path] } as z.core.$ZodIssue, value);
    }
  }
  return [{ path, onKey: false, message: `${where}: ${issue.message}` }];
}

/** What a document is called in errors: their code begins with it. */
export type DocumentKind = 'DEFINITION' | 'FLAVOR' | 'COMPONENT';

/**
 * Reads a YAML document by a schema. Every problem is in the message with its line and column; the first gives the
 * error's position.
 * @throws KairosError `YAML_INVALID`, `DEFINITION_INVALID`, `FLAVOR_INVALID`, `COMPONENT_INVALID`
 */
export function readDocument<T>(
  schema: z.ZodType<T>,
  text: string,
  file: string,
  kind: DocumentKind,
): { readonly value: T; readonly document: Document } {
  const document = parseDocument(text, file);
  const result = schema.safeParse(document.value ?? {});
  if (result.success) return { value: result.data, document };
  const found = result.error.issues
    .flatMap((issue) => findings(schema, issue, document.value))
    .map((each) => ({
      ...each,
      position: each.onKey ? document.keyPositionOf(each.path) : document.positionOf(each.path),
    }))
    .sort((a, b) => a.position.line - b.position.line || a.position.column - b.position.column);
  const [first] = found;
  throw new KairosError(
    `${kind}_INVALID`,
    found
      .map(({ position, message }) => `${file}:${position.line}:${position.column}: ${message}`)
      .join('\n'),
    {
      exit: 'invalidInput',
      ...(first === undefined ? {} : { position: first.position }),
      ...(first?.hint === undefined ? {} : { hint: first.hint }),
      details: { problems: found.map(({ position, message }) => ({ ...position, message })) },
    },
  );
}

/**
 * Checks a value that was not read from a document (flags).
 * @throws KairosError `DEFINITION_INVALID`, `FLAVOR_INVALID`, `COMPONENT_INVALID` (exit `usage`)
 */
export function checkValue<T>(schema: z.ZodType<T>, value: unknown, kind: DocumentKind): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const found = result.error.issues.flatMap((issue) => findings(schema, issue, value));
  const hint = found.find((each) => each.hint !== undefined)?.hint;
  throw new KairosError(`${kind}_INVALID`, found.map(({ message }) => message).join('\n'), {
    exit: 'usage',
    ...(hint === undefined ? {} : { hint }),
  });
}

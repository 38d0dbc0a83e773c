import { z } from 'zod';
import { root } from './schema/root.ts';

/** One key of a cloud-config, as the manual lists it. */
export interface KeyEntry {
  /** Below the root, with `[]` for the items of a list and `NAME` for any key. */
  readonly path: string;
  readonly type: string;
  readonly description: string;
  readonly deprecated: boolean;
}

/** Looks through what wraps a schema, keeping the first description on the way. */
function unwrapped(schema: z.ZodType): { inner: z.ZodType; description: string; deprecated: boolean } {
  let inner = schema;
  let description = '';
  let deprecated = false;
  for (;;) {
    const meta = inner.meta();
    description ||= meta?.description ?? '';
    deprecated ||= meta?.deprecated === true;
    if (
      !(inner instanceof z.ZodOptional || inner instanceof z.ZodNullable || inner instanceof z.ZodDefault)
    ) {
      return { inner, description, deprecated };
    }
    inner = inner.unwrap() as z.ZodType;
  }
}

function typeOf(schema: z.ZodType): string {
  const { inner } = unwrapped(schema);
  if (inner instanceof z.ZodString) return 'text';
  if (inner instanceof z.ZodBoolean) return 'boolean';
  if (inner instanceof z.ZodNumber) return 'number';
  if (inner instanceof z.ZodEnum) {
    return inner.options
      .filter((option) => option !== '')
      .map((option) => `\`${option}\``)
      .join(', ');
  }
  if (inner instanceof z.ZodLiteral) return [...inner.values].map((value) => `\`${value}\``).join(', ');
  if (inner instanceof z.ZodArray) {
    const item = typeOf(inner.element as z.ZodType);
    return `list of ${item.includes(' or ') ? `(${item})` : item}`;
  }
  if (inner instanceof z.ZodObject) return 'map';
  if (inner instanceof z.ZodRecord) return `map of ${typeOf(inner.valueType as z.ZodType)}`;
  if (inner instanceof z.ZodUnion) {
    const types = [...new Set(inner.options.map((option) => typeOf(option as z.ZodType)))];
    // A text may be written without quotes where it looks like something else.
    if (types.includes('text') && types.every((type) => ['text', 'number', 'boolean'].includes(type)))
      return 'text';
    return types.join(' or ');
  }
  return 'anything';
}

/** The maps in a value, with what leads to them. */
function mapsIn(schema: z.ZodType, suffix = ''): [string, z.ZodObject][] {
  const { inner } = unwrapped(schema);
  if (inner instanceof z.ZodObject) return [[suffix, inner]];
  if (inner instanceof z.ZodArray) return mapsIn(inner.element as z.ZodType, `${suffix}[]`);
  if (inner instanceof z.ZodRecord) return mapsIn(inner.valueType as z.ZodType, `${suffix}.NAME`);
  if (inner instanceof z.ZodUnion)
    return inner.options.flatMap((option) => mapsIn(option as z.ZodType, suffix));
  return [];
}

function entriesOf(map: z.ZodObject, prefix: string): KeyEntry[] {
  return Object.entries(map.shape).flatMap(([key, value]) => {
    const schema = value as z.ZodType;
    const { description, deprecated } = unwrapped(schema);
    const path = `${prefix}${key}`;
    return [
      { path, type: typeOf(schema), description, deprecated },
      ...mapsIn(schema).flatMap(([suffix, inner]) => entriesOf(inner, `${path}${suffix}.`)),
    ];
  });
}

/** Every key that the schema knows, in its order. */
export function keyEntries(): KeyEntry[] {
  return entriesOf(root, '');
}

/** A table with columns of even width, the head first. */
function markdownTable(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map((text) => text.replaceAll('|', '\\|')));
  const widths = (cells[0] ?? []).map((_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]) =>
    `| ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = cells;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n');
}

/** The tables of the manual: the keys of the root, then one table for each block. */
export function keyReference(): string {
  const entries = keyEntries();
  const table = (rows: readonly KeyEntry[], from: number) =>
    markdownTable([
      ['key', 'type', 'meaning'],
      ...rows.map(({ path, type, description, deprecated }) => [
        `\`${path.slice(from)}\``,
        type,
        `${description}${deprecated ? ' (deprecated)' : ''}`,
      ]),
    ]);
  const atRoot = entries.filter(({ path }) => !/[.[]/.test(path));
  const step = 'stages.NAME[].';
  const blocks = atRoot
    .map(({ path }) => path)
    .filter((path) =>
      entries.some((entry) => entry.path.startsWith(`${path}.`) || entry.path.startsWith(`${path}[`)),
    );
  const seen = new Map<string, string>();
  const sections = blocks.map((block) => {
    const rows = entries.filter(({ path }) => path.startsWith(`${block}.`) || path.startsWith(`${block}[`));
    const from = block === 'stages' ? step.length : 0;
    const body = rows
      .map(({ path, type, description }) => [path.slice(block.length), type, description].join())
      .join('\n');
    const same = seen.get(body);
    if (same !== undefined) return `### ${block}\n\nThe keys of [${same}](#${same}).`;
    seen.set(body, block);
    const note = block === 'stages' ? 'Keys of a step, `stages.STAGE[]`:\n\n' : '';
    return `### ${block}\n\n${note}${table(rows, from)}`;
  });
  return `### At the root\n\n${table(atRoot, 0)}\n\n${sections.join('\n\n')}`;
}

import { KairosError, type Position, reasonOf } from '@kairos/facts/errors';
import {
  Composer,
  type CST,
  isAlias,
  isCollection,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  type Pair,
  Parser,
  type Scalar,
  visit,
  type YAMLMap,
  type Document as YamlDocument,
} from 'yaml';
import { aliasFault } from './aliases.ts';
import type { Document, Path } from './document.ts';
import { headerOf } from './document-header.ts';

/** The name of a key; the parser holds a merge key as a symbol. */
function nameOf(key: Scalar): string {
  return typeof key.value === 'symbol' ? (key.value.description ?? '') : String(key.value);
}

/** Nesting at which parsing stops: the parser's own end would be that of the stack, after much memory. */
const maximumNesting = 256;
/** What aliases may multiply a document by. */
const maximumAliases = 100;

type Invalid = (offset: number, message: string, code?: string, hint?: string) => KairosError;

/**
 * The parser's tokens, up to the first error: a document of nothing but errors would cost seconds for messages that
 * nobody sees.
 */
function* tokensOf(text: string, lines: LineCounter, invalid: Invalid): Generator<CST.Token> {
  const parser = new Parser(lines.addNewLine);
  // The parser keeps what it is inside of, and how far it is, in fields that its types do not show.
  const inside = parser as unknown as { readonly stack: readonly unknown[]; readonly offset: number };
  lines.addNewLine(0);
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) {
      yield token;
      if (token.type === 'error') {
        yield* parser.end();
        return;
      }
    }
    if (inside.stack.length > maximumNesting) {
      throw invalid(inside.offset, `the document is nested deeper than ${maximumNesting}`, 'TOO_DEEP');
    }
  }
  yield* parser.end();
}

function compose(text: string, lines: LineCounter, invalid: Invalid): YamlDocument.Parsed {
  // Keys are compared with each other below; the parser's way takes the square of their number.
  const composer = new Composer({ lineCounter: lines, merge: true, prettyErrors: false, uniqueKeys: false });
  let first: YamlDocument.Parsed | undefined;
  for (const document of composer.compose(tokensOf(text, lines, invalid), true, text.length)) {
    if (first !== undefined) throw invalid(document.range[0], 'there is a second document; a file holds one');
    first = document as YamlDocument.Parsed;
  }
  if (first === undefined) throw invalid(0, 'there is no document');
  return first;
}

/** A key that its map has already: its name, and where both stand. Merge keys may be repeated. */
function duplicateKey(yaml: YamlDocument) {
  let found: { readonly name: string; readonly first: number; readonly second: number } | undefined;
  visit(yaml, {
    Map(_, map) {
      const seen = new Map<string, number>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        const name = `${typeof key.value}:${nameOf(key)}`;
        if (name === 'symbol:<<') continue;
        const second = key.range?.[0] ?? 0;
        const first = seen.get(name);
        if (first !== undefined) {
          found = { name: nameOf(key), first, second };
          return visit.BREAK;
        }
        seen.set(name, second);
      }
      return undefined;
    },
  });
  return found;
}

function plainValueOf(yaml: YamlDocument, invalid: Invalid): unknown {
  try {
    return yaml.toJS({ maxAliasCount: maximumAliases }) ?? null;
  } catch (error) {
    if (!/alias/i.test(reasonOf(error))) throw invalid(0, reasonOf(error));
    const fault = aliasFault(yaml, maximumAliases);
    throw fault === undefined
      ? invalid(0, 'aliases make too much of the document')
      : invalid(fault.offset, fault.message, undefined, fault.hint);
  }
}

/** What to do about errors of the parser whose message does not tell. */
const hints: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'Indent with spaces',
};

/**
 * Parses one document with the parser of the whole language.
 * @throws KairosError `YAML_INVALID` at the first syntax error
 */
export function parseWholeDocument(text: string, file: string): Document {
  const lines = new LineCounter();
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const invalid: Invalid = (offset, message, code = 'YAML_INVALID', hint) => {
    const position = at(offset);
    return new KairosError(code, `${file}:${position.line}:${position.column}: ${message}`, {
      exit: 'invalidInput',
      position,
      ...(hint === undefined ? {} : { hint }),
    });
  };
  const yaml = compose(text, lines, invalid);
  const [problem] = yaml.errors.toSorted((a, b) => a.pos[0] - b.pos[0]);
  if (problem) throw invalid(problem.pos[0], problem.message, undefined, hints[problem.code]);
  const twice = duplicateKey(yaml);
  if (twice !== undefined) {
    throw invalid(
      twice.second,
      `the key ${twice.name} is in this map already`,
      undefined,
      `It is first on line ${at(twice.first).line}; keep one of them`,
    );
  }
  const fault = text.includes('*') ? aliasFault(yaml) : undefined;
  if (fault !== undefined) throw invalid(fault.offset, fault.message, undefined, fault.hint);
  const start = (node: unknown): number | undefined => (isNode(node) ? node.range?.[0] : undefined);

  const resolved = (node: unknown): unknown => (isAlias(node) ? node.resolve(yaml) : node);

  const pairsOf = new Map<YAMLMap, Map<string, Pair>>();
  /** The pair of a key, own or merged in by `<<`. */
  function pairOf(map: unknown, key: string): Pair | undefined {
    if (!isMap(map)) return undefined;
    let pairs = pairsOf.get(map);
    if (pairs === undefined) {
      pairs = new Map();
      for (const item of map.items) if (isScalar(item.key)) pairs.set(nameOf(item.key), item);
      pairsOf.set(map, pairs);
    }
    const own = pairs.get(key);
    if (own) return own;
    const item = pairs.get('<<');
    if (item !== undefined) {
      const merged = resolved(item.value);
      for (const source of isSeq(merged) ? merged.items.map(resolved) : [merged]) {
        const pair = pairOf(source, key);
        if (pair) return pair;
      }
    }
    return undefined;
  }

  function walk(path: Path): { value: Node | null; key: unknown; whole: boolean } {
    let node: unknown = yaml.contents;
    let found: { value: Node | null; key: unknown } = { value: yaml.contents, key: undefined };
    for (const step of path) {
      const collection = resolved(node);
      if (!isCollection(collection)) return { ...found, whole: false };
      const pair = isMap(collection) ? pairOf(collection, String(step)) : collection.items[Number(step)];
      if (pair === undefined) return { ...found, whole: false };
      const value = isPair(pair) ? pair.value : pair;
      node = value;
      found = { value: isNode(value) ? value : null, key: isPair(pair) ? pair.key : value };
    }
    return { ...found, whole: true };
  }

  return {
    file,
    text,
    header: headerOf(text),
    value: plainValueOf(yaml, invalid),
    positionOf(path) {
      const { value, key } = walk(path);
      return at(start(value) ?? start(key) ?? 0);
    },
    keyPositionOf(path) {
      const { value, key } = walk(path);
      return at(start(key) ?? start(value) ?? 0);
    },
    sourceOf(path) {
      const { value, whole } = walk(path);
      const node = resolved(value);
      return whole && isScalar(node) && typeof node.source === 'string' ? node.source : undefined;
    },
  };
}

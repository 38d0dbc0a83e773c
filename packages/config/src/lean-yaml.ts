/**
 * A parser for the part of YAML that configurations are nearly always written in: block maps and lists, plain and quoted
 * scalars of one line, literal blocks, lists of scalars in brackets. It is an order of magnitude faster than a parser of
 * the whole language, which matters to a program that reads a folder of files on every stage of a boot.
 *
 * It never guesses: at the first thing outside of this part (anchors, tags, merge keys, maps in braces, several documents,
 * duplicate keys, anything that may be an error) it gives up, and the whole parser decides. What it does accept it reads
 * as the whole parser does, positions included; a test compares the two.
 */

/** A value with its place. Offsets count UTF-16 units from the beginning of the text. */
export type LeanNode =
  | { readonly start: number; readonly value: unknown; readonly source: string }
  | { readonly start: number; readonly value: object; readonly pairs: ReadonlyMap<string, LeanPair> }
  | { readonly start: number; readonly value: readonly unknown[]; readonly items: readonly LeanNode[] };

export interface LeanPair {
  readonly keyStart: number;
  readonly node: LeanNode;
}

/** Thrown and caught in this file only: the text is for the whole parser. */
const beyond = Symbol('beyond the lean part of YAML');

const space = 32;
const newline = 10;
const dash = 45;
const hash = 35;
const quote = 34;
const apostrophe = 39;
const bracket = 91;
const brace = 123;
const bar = 124;
const greater = 62;

/** Deeper documents are for the whole parser to refuse. */
const maximumDepth = 64;

const keyPattern = /(?:"([^"\\\n]*)"|'([^'\n]*)'|([A-Za-z_/][\w./@+-]*)) *:(?=[ \n])/y;
/** Keys that YAML reads as something else than a text, and those that mean something to it or to JavaScript. */
const specialKey = /^(?:~|[Nn]ull|NULL|[Tt]rue|TRUE|[Ff]alse|FALSE|<<|__proto__)$/;
const doubleQuoted = /"((?:[^"\\\n]|\\["\\/nt])*)"/y;
const singleQuoted = /'((?:[^'\n]|'')*)'/y;
const blockHeader = /[|>]([+-]?)(?: +#[^\n]*| *)\n/y;
const flowItem =
  / *(?:"((?:[^"\\\n]|\\["\\/nt])*)"|'((?:[^'\n]|'')*)'|([\w./$+(](?:[^,[\]{}:#\n]|:(?=[^\s,[\]{}]))*))/y;
const restOfLine = /(?: +#[^\n]*| *)\n/y;

/** The core schema of YAML 1.2 (10.3.2). */
const integer = /^[-+]?[0-9]+$/;
const float = /^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)[eE][-+]?[0-9]+)$/;
const words: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ...['~', 'null', 'Null', 'NULL'].map((word): [string, unknown] => [word, null]),
  ...['true', 'True', 'TRUE'].map((word): [string, unknown] => [word, true]),
  ...['false', 'False', 'FALSE'].map((word): [string, unknown] => [word, false]),
  ...['.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF'].map((word): [string, unknown] => [word, Infinity]),
  ...['-.inf', '-.Inf', '-.INF'].map((word): [string, unknown] => [word, -Infinity]),
  ...['.nan', '.NaN', '.NAN'].map((word): [string, unknown] => [word, Number.NaN]),
]);
const maybeSpecial = /^[-+.0-9~tTfFnN]/;

function plainValue(source: string): unknown {
  if (!maybeSpecial.test(source)) return source;
  if (integer.test(source)) return Number.parseInt(source, 10);
  if (float.test(source)) return Number.parseFloat(source);
  if (words.has(source)) return words.get(source);
  if (/^0o[0-7]+$/.test(source)) return Number.parseInt(source.slice(2), 8);
  if (/^0x[0-9a-fA-F]+$/.test(source)) return Number.parseInt(source.slice(2), 16);
  return source;
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', '/': '/', '"': '"', '\\': '\\' };
function unescaped(text: string): string {
  return text.includes('\\') ? text.replaceAll(/\\(.)/g, (_, letter: string) => escapes[letter] ?? '') : text;
}

class LeanParser {
  /** The beginning of the line that comes next, blank ones and comments passed over. */
  private line = 0;
  /** Of that line; -1 at the end of the text. */
  private indent = -1;
  private depth = 0;

  constructor(private readonly text: string) {}

  document(): LeanNode {
    this.enterLine(0);
    if (this.text.startsWith('---\n', this.line)) this.enterLine(this.line + 4);
    if (this.indent < 0) throw beyond;
    const node = this.block(this.indent, this.line + this.indent);
    if (this.indent >= 0) throw beyond;
    return node;
  }

  /** Goes to the next line with content, from the beginning of a line. */
  private enterLine(from: number): void {
    const { text } = this;
    let start = from;
    for (;;) {
      if (start >= text.length) {
        this.line = text.length;
        this.indent = -1;
        return;
      }
      let at = start;
      while (text.charCodeAt(at) === space) at++;
      const first = text.charCodeAt(at);
      if (first === newline) start = at + 1;
      else if (first === hash) start = this.endOfLine(at) + 1;
      else {
        this.line = start;
        this.indent = at - start;
        return;
      }
    }
  }

  private endOfLine(at: number): number {
    const end = this.text.indexOf('\n', at);
    return end < 0 ? this.text.length : end;
  }

  private match(pattern: RegExp, at: number): RegExpExecArray | null {
    pattern.lastIndex = at;
    return pattern.exec(this.text);
  }

  private isItem(at: number): boolean {
    const next = this.text.charCodeAt(at + 1);
    return this.text.charCodeAt(at) === dash && (next === space || next === newline);
  }

  /** A collection whose first line's content begins at `at`, in column `indent`. */
  private block(indent: number, at: number): LeanNode {
    if (++this.depth > maximumDepth) throw beyond;
    const node = this.isItem(at) ? this.list(indent, at) : this.map(indent, at);
    this.depth--;
    return node;
  }

  private map(indent: number, start: number): LeanNode {
    const value: Record<string, unknown> = {};
    const pairs = new Map<string, LeanPair>();
    let at = start;
    for (;;) {
      const found = this.match(keyPattern, at);
      if (found === null) throw beyond;
      const key = found[3] ?? found[1] ?? found[2] ?? '';
      if (specialKey.test(key) || pairs.has(key)) throw beyond;
      const node = this.valueAfter(at + found[0].length, indent, true);
      value[key] = node.value;
      pairs.set(key, { keyStart: at, node });
      if (this.indent < indent) return { start, value, pairs };
      if (this.indent > indent) throw beyond;
      at = this.line + indent;
    }
  }

  private list(indent: number, start: number): LeanNode {
    const value: unknown[] = [];
    const items: LeanNode[] = [];
    let at = start;
    for (;;) {
      const node = this.valueAfter(at + 1, indent, false);
      value.push(node.value);
      items.push(node);
      if (this.indent < indent) break;
      if (this.indent > indent) throw beyond;
      at = this.line + indent;
      // A key at the column of the list belongs to the map that the list is a value of.
      if (!this.isItem(at)) break;
    }
    return { start, value, items };
  }

  /** The value behind a `:` or a `-`, of a collection in column `indent`. Leaves the next line entered. */
  private valueAfter(from: number, indent: number, inMap: boolean): LeanNode {
    const { text } = this;
    let at = from;
    while (text.charCodeAt(at) === space) at++;
    const first = text.charCodeAt(at);
    if (first === newline || (first === hash && text.charCodeAt(at - 1) === space)) {
      return this.valueBelow(at, indent, inMap);
    }
    if (!inMap) {
      // `- key: value` and `- - item`: a collection that begins on the line of the dash.
      const column = indent + (at - from) + 1;
      if (this.isItem(at)) return this.block(column, at);
      if (this.match(keyPattern, at) !== null) return this.block(column, at);
    }
    if (first === bar || first === greater) return this.blockText(at, indent);
    const node =
      first === quote || first === apostrophe
        ? this.quoted(at)
        : first === bracket
          ? this.flowList(at)
          : first === brace
            ? this.emptyFlowMap(at)
            : this.plain(at);
    return node;
  }

  /** The value of a `key:` or `-` with nothing behind it on its line. */
  private valueBelow(at: number, indent: number, inMap: boolean): LeanNode {
    this.enterLine(this.endOfLine(at) + 1);
    const content = this.line + this.indent;
    if (this.indent > indent) return this.block(this.indent, content);
    if (inMap && this.indent === indent && this.isItem(content)) return this.block(indent, content);
    return { start: at, value: null, source: '' };
  }

  /** Ends a value at `at`: nothing but a comment may follow on its line. */
  private finish(at: number): void {
    const rest = this.match(restOfLine, at);
    if (rest === null) throw beyond;
    this.enterLine(at + rest[0].length);
  }

  private quoted(at: number): LeanNode {
    const single = this.text.charCodeAt(at) === apostrophe;
    const found = this.match(single ? singleQuoted : doubleQuoted, at);
    if (found === null) throw beyond;
    this.finish(at + found[0].length);
    const inner = found[1] ?? '';
    const value = single ? inner.replaceAll("''", "'") : unescaped(inner);
    return { start: at, value, source: value };
  }

  private plain(at: number): LeanNode {
    const line = this.text.slice(at, this.endOfLine(at));
    const comment = line.indexOf(' #');
    const source = (comment < 0 ? line : line.slice(0, comment)).trimEnd();
    // Indicators, and what would be a map inside of a line.
    if (/^(?:[-?:](?: |$)|[,[\]{}#&*!|>'"%@`])/.test(source) || /:(?: |$)/.test(source)) throw beyond;
    this.finish(at + source.length);
    return { start: at, value: plainValue(source), source };
  }

  private emptyFlowMap(at: number): LeanNode {
    if (this.text.charCodeAt(at + 1) !== 125) throw beyond;
    this.finish(at + 2);
    return { start: at, value: {}, pairs: new Map() };
  }

  private flowList(start: number): LeanNode {
    const { text } = this;
    const value: unknown[] = [];
    const items: LeanNode[] = [];
    let at = start + 1;
    for (;;) {
      while (text.charCodeAt(at) === space) at++;
      if (text[at] === ']') break;
      const found = this.match(flowItem, at);
      if (found === null) throw beyond;
      const [whole, double, single, plain] = found;
      const source = plain?.trimEnd() ?? single?.replaceAll("''", "'") ?? unescaped(double ?? '');
      const node = { start: at, value: plain === undefined ? source : plainValue(source), source };
      value.push(node.value);
      items.push(node);
      at += whole.length;
      while (text.charCodeAt(at) === space) at++;
      if (text[at] === ',') at++;
      else if (text[at] !== ']') throw beyond;
    }
    this.finish(at + 1);
    return { start, value, items };
  }

  /**
   * A block text (`|`, `>`) below a collection in column `parent`. Folded ones are taken where folding is simple: no
   * empty lines and no further indentation.
   */
  private blockText(start: number, parent: number): LeanNode {
    const { text } = this;
    const header = this.match(blockHeader, start);
    if (header === null) throw beyond;
    const chomping = header[1];
    const folded = text.charCodeAt(start) === greater;
    if (folded && chomping === '+') throw beyond;
    let at = start + header[0].length;
    let indent = -1;
    let value = '';
    let blank = 0;
    let margin = '';
    while (at < text.length) {
      if (margin !== '' && !folded && text.startsWith(margin, at)) {
        const code = text.charCodeAt(at + indent);
        if (code !== space && code !== newline) {
          const end = this.endOfLine(at + indent);
          if (end === text.length) throw beyond;
          value += `${blank > 0 ? '\n'.repeat(blank) : ''}${text.slice(at + indent, end + 1)}`;
          blank = 0;
          at = end + 1;
          continue;
        }
      }
      let content = at;
      while (text.charCodeAt(content) === space) content++;
      const code = text.charCodeAt(content);
      if (code === newline) {
        // Blanks beyond the column of the text would be text.
        if (indent < 0 ? content > at : content - at > indent) throw beyond;
        blank++;
        at = content + 1;
        continue;
      }
      if (content >= text.length) throw beyond;
      const column = content - at;
      if (indent < 0) {
        if (column <= parent) break;
        indent = column;
        margin = ' '.repeat(indent);
      } else if (column < indent) {
        if (column > parent) throw beyond;
        break;
      }
      const end = this.endOfLine(content);
      if (folded && (blank > 0 || column > indent)) throw beyond;
      if (folded && value !== '') value = `${value.slice(0, -1)} `;
      value += `${'\n'.repeat(blank)}${text.slice(at + indent, end)}\n`;
      blank = 0;
      at = end + 1;
    }
    if (indent < 0) throw beyond;
    if (chomping === '+') value += '\n'.repeat(blank);
    else if (chomping === '-') value = value.slice(0, -1);
    this.enterLine(at);
    return { start, value, source: value };
  }
}

/** The tree of a text in the lean part of YAML; `undefined` where the whole parser has to decide. */
export function parseLeanYaml(text: string): LeanNode | undefined {
  // Tabs are fine in many places and errors in others, as are the ends of lines of other systems.
  if (!text.endsWith('\n') || ['\t', '\r', '\ufeff', '\n...', '\n%'].some((each) => text.includes(each)))
    return undefined;
  if (/^(?:\.\.\.|%)/.test(text)) return undefined;
  const mark = text.startsWith('---') ? 0 : text.indexOf('\n---');
  if (mark >= 0 && text.includes('\n---', mark + 1)) return undefined;
  try {
    return new LeanParser(text).document();
  } catch (error) {
    if (error === beyond) return undefined;
    throw error;
  }
}

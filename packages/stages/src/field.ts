import type { Document, Path } from '@kairos/config/document';
import { KairosError, type Position } from '@kairos/facts/errors';
import { didYouMean } from '@kairos/facts/suggest';
import { parsePermissions } from './permissions.ts';
import type { ProblemSink } from './problem.ts';

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** How a value is called in a message. */
function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  if (typeof value === 'string') return 'a text';
  return `a ${typeof value}`;
}

/**
 * A value of a document together with its place, read tolerantly: the field writes numbers where texts are meant,
 * a single value where a list is meant, and nothing where something empty is meant.
 */
export class Field {
  constructor(
    readonly document: Document,
    readonly path: Path,
    readonly value: unknown,
  ) {}

  static root(document: Document): Field {
    return new Field(document, [], document.value);
  }

  get position(): Position {
    return this.document.positionOf(this.path);
  }

  /** Where the characters of this text begin in the document, behind quotes and the head of a block. */
  get textOrigin(): { readonly line: number; readonly column: number; readonly indent?: number } {
    const { line, column } = this.position;
    const lines = this.document.text.split('\n');
    const rest = lines[line - 1]?.slice(column - 1) ?? '';
    if (/^[|>]/.test(rest)) {
      const first = lines.slice(line).find((text) => text.trim() !== '');
      const indent = /^ */.exec(first ?? '')?.[0].length ?? 0;
      return { line: line + 1, column: indent + 1, indent };
    }
    return { line, column: column + (/^['"]/.test(rest) ? 1 : 0) };
  }

  get keyPosition(): Position {
    return this.document.keyPositionOf(this.path);
  }

  /** `commands[0]`, for messages. */
  get name(): string {
    let name = '';
    for (const step of this.path) {
      name += typeof step === 'number' ? `[${step}]` : name === '' ? step : `.${step}`;
    }
    return name;
  }

  /** Absent, or there without a value. */
  get empty(): boolean {
    return this.value === null || this.value === undefined;
  }

  /** The same place with another value, for what is translated from one spelling to another. */
  with(value: unknown): Field {
    return new Field(this.document, this.path, value);
  }

  key(name: string): Field {
    const value = isRecord(this.value) && Object.hasOwn(this.value, name) ? this.value[name] : undefined;
    return new Field(this.document, [...this.path, name], value);
  }

  /** @throws KairosError `TYPE_MISMATCH` at this place */
  mismatch(expected: string): KairosError {
    const last = this.path.findLast((step) => typeof step === 'string');
    return new KairosError(
      'TYPE_MISMATCH',
      `${this.name || 'the document'} must be ${expected}, not ${kindOf(this.value)}`,
      {
        exit: 'invalidInput',
        position: this.position,
        details: { key: last, expected },
      },
    );
  }

  /** A value error at this place. */
  invalid(code: string, message: string, hint?: string): KairosError {
    return new KairosError(code, message, {
      exit: 'invalidInput',
      position: this.position,
      ...(hint === undefined ? {} : { hint }),
    });
  }

  /** A text, as the author spelled it: `1.10` stays `1.10`. Nothing gives `undefined`. */
  text(): string | undefined {
    if (this.empty) return undefined;
    if (typeof this.value === 'string') return this.value;
    if (typeof this.value === 'number' || typeof this.value === 'boolean') {
      const source = this.document.sourceOf(this.path);
      return source !== undefined && source !== '' ? source : String(this.value);
    }
    if (typeof this.value === 'bigint') return String(this.value);
    throw this.mismatch('a text');
  }

  /** A text that has to be there. */
  requiredText(what: string): string {
    const text = this.text();
    if (text === undefined || text === '') {
      throw new KairosError('VALUE_MISSING', `${this.name} is missing: ${what}`, {
        exit: 'invalidInput',
        position: this.position,
      });
    }
    return text;
  }

  flag(): boolean | undefined {
    if (this.empty || this.value === '') return undefined;
    if (typeof this.value === 'boolean') return this.value;
    const text = String(this.value).toLowerCase();
    if (['true', 'yes', 'on', 'y', '1'].includes(text)) return true;
    if (['false', 'no', 'off', 'n', '0'].includes(text)) return false;
    throw this.mismatch('true or false');
  }

  /** A whole number that is not negative. */
  count(): number | undefined {
    if (this.empty || this.value === '') return undefined;
    const text = this.text() ?? '';
    const number = typeof this.value === 'number' ? this.value : Number(text);
    if (text.trim() === '' || !Number.isSafeInteger(number) || number < 0) {
      throw this.mismatch('a whole number, zero or more');
    }
    return number;
  }

  /** The items of a list; nothing is an empty list and a single scalar a list of one. */
  items(): Field[] {
    if (this.empty) return [];
    if (Array.isArray(this.value)) {
      return this.value.map(
        (value: unknown, index) => new Field(this.document, [...this.path, index], value),
      );
    }
    if (isRecord(this.value)) throw this.mismatch('a list');
    return [this];
  }

  /** The texts of a list; empty items are left out. */
  texts(): string[] {
    return this.items().flatMap((item) => item.text() ?? []);
  }

  /** The pairs of a map; nothing is an empty map. */
  entries(): [string, Field][] {
    if (this.empty) return [];
    if (!isRecord(this.value)) throw this.mismatch('a map');
    return Object.keys(this.value).map((name) => [name, this.key(name)]);
  }

  /**
   * Says which keys of this map are not known, each with the nearest known one.
   * @throws KairosError `TYPE_MISMATCH` if this is not a map
   */
  checkKeys(known: readonly string[], report: ProblemSink): void {
    for (const [name, field] of this.entries()) {
      if (!known.includes(name)) report(unknownKey(field, name, known));
    }
  }

  /** Permission bits in any of the spellings of `parsePermissions`. */
  permissions(report: ProblemSink): number | undefined {
    if (this.empty || this.value === '') return undefined;
    if (typeof this.value !== 'string' && typeof this.value !== 'number') {
      throw this.mismatch('permission bits such as 0644');
    }
    const { mode, warning } = parsePermissions(
      this.text() ?? '',
      typeof this.value === 'string',
      this.position,
    );
    if (warning !== undefined) {
      report({
        severity: 'warning',
        code: 'PERMISSIONS_AMBIGUOUS',
        message: warning,
        position: this.position,
      });
    }
    return mode;
  }
}

/** A warning about a key that nothing reads. */
export function unknownKey(field: Field, name: string, known: readonly string[]) {
  const near = didYouMean(name, known);
  return {
    severity: 'warning' as const,
    code: 'UNKNOWN_KEY',
    message: `unknown key ${JSON.stringify(name)}${near === undefined ? '' : `, did you mean ${JSON.stringify(near)}?`}`,
    position: field.keyPosition,
    ...(near === undefined ? {} : { hint: `Write ${near}` }),
  };
}

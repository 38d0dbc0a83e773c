import { TemplateFailure } from './failure.ts';
import { integer, Struct, type Value } from './value.ts';

/** Semantic versions and constraints as Masterminds/semver reads them: `1.2` is `1.2.0`, a leading v is fine. */
const versionPattern =
  /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?$/;

const compareNumbers = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);

export class SemanticVersion extends Struct {
  readonly typeName = '*semver.Version';

  constructor(
    readonly major: bigint,
    readonly minor: bigint,
    readonly patch: bigint,
    readonly prerelease: string,
    readonly metadata: string,
    readonly original: string,
  ) {
    super();
  }

  toText(): string {
    const pre = this.prerelease === '' ? '' : `-${this.prerelease}`;
    const build = this.metadata === '' ? '' : `+${this.metadata}`;
    return `${this.major}.${this.minor}.${this.patch}${pre}${build}`;
  }

  /** Precedence by semver 2.0.0 section 11; build metadata does not count. */
  compare(other: SemanticVersion): number {
    return (
      compareNumbers(this.major, other.major) ||
      compareNumbers(this.minor, other.minor) ||
      compareNumbers(this.patch, other.patch) ||
      comparePrereleases(this.prerelease, other.prerelease)
    );
  }

  method(name: string): ((args: readonly Value[]) => Value) | undefined {
    const other = ([value]: readonly Value[]): SemanticVersion => {
      if (value instanceof SemanticVersion) return value;
      throw new TemplateFailure('needs a version as argument', 'semver makes one of a string');
    };
    switch (name) {
      case 'Major':
        return () => integer(this.major);
      case 'Minor':
        return () => integer(this.minor);
      case 'Patch':
        return () => integer(this.patch);
      case 'Prerelease':
        return () => this.prerelease;
      case 'Metadata':
        return () => this.metadata;
      case 'Original':
        return () => this.original;
      case 'String':
        return () => this.toText();
      case 'Compare':
        return (args) => this.compare(other(args));
      case 'Equal':
        return (args) => this.compare(other(args)) === 0;
      case 'LessThan':
        return (args) => this.compare(other(args)) < 0;
      case 'GreaterThan':
        return (args) => this.compare(other(args)) > 0;
      default:
        return undefined;
    }
  }
}

function comparePrereleases(a: string, b: string): number {
  if (a === b) return 0;
  if (a === '' || b === '') return a === '' ? 1 : -1;
  const left = a.split('.');
  const right = b.split('.');
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const x = left[index];
    const y = right[index];
    if (x === y) continue;
    if (x === undefined || y === undefined) return x === undefined ? -1 : 1;
    const xNumeric = /^\d+$/.test(x);
    const yNumeric = /^\d+$/.test(y);
    if (xNumeric && yNumeric) return compareNumbers(BigInt(x), BigInt(y));
    if (xNumeric !== yNumeric) return xNumeric ? -1 : 1;
    return x < y ? -1 : 1;
  }
  return 0;
}

/** @throws TemplateFailure when the text is no version */
export function parseVersion(text: string): SemanticVersion {
  const match = versionPattern.exec(text);
  const leadingZero = match?.[4]?.split('.').some((part) => /^0\d+$/.test(part)) ?? false;
  if (match === null || leadingZero) throw new TemplateFailure('the text is not a semantic version');
  const [, major = '0', minor = '0', patch = '0', prerelease = '', metadata = ''] = match;
  return new SemanticVersion(BigInt(major), BigInt(minor), BigInt(patch), prerelease, metadata, text);
}

type Operator = '=' | '!=' | '>' | '<' | '>=' | '<=' | '~' | '^';

interface Comparator {
  readonly operator: Operator;
  readonly version: SemanticVersion;
  /** How many of major, minor and patch are given; the others are `x`. */
  readonly given: 0 | 1 | 2 | 3;
}

const operators: Readonly<Record<string, Operator>> = {
  '': '=',
  '=': '=',
  '!=': '!=',
  '>': '>',
  '<': '<',
  '>=': '>=',
  '=>': '>=',
  '<=': '<=',
  '=<': '<=',
  '~': '~',
  '~>': '~',
  '^': '^',
};
const partial =
  'v?(?:[0-9]+|[xX*])(?:\\.(?:[0-9]+|[xX*]))?(?:\\.(?:[0-9]+|[xX*]))?(?:-[0-9A-Za-z.-]+)?(?:\\+[0-9A-Za-z.-]+)?';
const comparatorPattern = new RegExp(`(=>|=<|>=|<=|!=|~>|[=<>~^]|)\\s*(${partial})(?:\\s+|\\s*,\\s*|$)`, 'y');
const rangePattern = new RegExp(`(${partial})\\s+-\\s+(${partial})`, 'g');
const partialPattern = /^v?([^.+-]+)(?:\.([^.+-]+))?(?:\.([^.+-]+))?(?:-([^+]+))?/;

function comparatorOf(operator: Operator, text: string): Comparator {
  const [, major = '', minor, patch, prerelease] = partialPattern.exec(text) ?? [];
  const isGiven = (part: string | undefined): part is string => part !== undefined && /^\d/.test(part);
  const numbers = [major, minor, patch];
  const open = numbers.findIndex((part) => !isGiven(part));
  const given = (open < 0 ? 3 : open) as Comparator['given'];
  const [a = '0', b = '0', c = '0'] = numbers.slice(0, given);
  return {
    operator,
    given,
    version: parseVersion(`${a}.${b}.${c}${prerelease === undefined ? '' : `-${prerelease}`}`),
  };
}

function parseComparators(text: string): Comparator[] {
  const found: Comparator[] = [];
  const trimmed = text.trim();
  let at = 0;
  while (at < trimmed.length) {
    comparatorPattern.lastIndex = at;
    const match = comparatorPattern.exec(trimmed);
    if (match === null) throw new TemplateFailure(`"${text.trim()}" is not a version constraint`);
    const [whole, operator = '', version = ''] = match;
    found.push(comparatorOf(operators[operator] ?? '=', version));
    at += whole.length;
  }
  if (found.length === 0) throw new TemplateFailure('a version constraint is empty');
  return found;
}

/**
 * Whether the version meets the constraint: `>= 1.2, < 2`, `^1.2`, `~1.2.3`, `1.x`, `1.2 - 1.4`, `a || b`. A
 * prerelease meets only a constraint that names one.
 */
export function satisfies(version: SemanticVersion, constraint: string): boolean {
  const alternatives = constraint.replaceAll(rangePattern, '>=$1 <=$2 ').split('||').map(parseComparators);
  return alternatives.some((comparators) => comparators.every((comparator) => meets(version, comparator)));
}

function meets(version: SemanticVersion, { operator, version: wanted, given }: Comparator): boolean {
  const exact = operator === '!=' && given === 3;
  if (version.prerelease !== '' && wanted.prerelease === '' && !exact) return false;
  const order = version.compare(wanted);
  const sameMajor = version.major === wanted.major;
  const sameMinor = sameMajor && version.minor === wanted.minor;
  /** Whether the numbers that are given are equal. */
  const within = given === 0 || (given === 1 ? sameMajor : sameMinor);
  switch (operator) {
    case '=':
      return given === 3 ? order === 0 : order >= 0 && within;
    case '!=':
      return given === 3 ? order !== 0 : !within || (version.prerelease !== wanted.prerelease && given === 2);
    case '>':
      return given === 3 ? order > 0 : order > 0 && !within;
    case '>=':
      return order >= 0;
    case '<':
      return order < 0;
    case '<=':
      return given === 3 ? order <= 0 : order <= 0 || within;
    case '~':
      // ~0.0.0 stands for any version in the original, too.
      if (order < 0 || given === 0 || (given === 3 && wanted.toText() === '0.0.0')) return order >= 0;
      return given === 1 ? sameMajor : sameMinor;
    case '^':
      if (order < 0) return false;
      if (given === 0) return true;
      if (wanted.major > 0n || given === 1) return sameMajor;
      if (wanted.minor > 0n || given === 2) return sameMinor;
      return sameMinor && version.patch === wanted.patch;
  }
}

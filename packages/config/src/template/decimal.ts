/** Decimal numbers of any length, so that `addf 0.1 0.2` is 0.3: sprig computes its float functions that way. */
export interface Decimal {
  /** The value is coefficient * 10 ** exponent. */
  readonly coefficient: bigint;
  readonly exponent: number;
}

/** Digits after the point that a division keeps. */
const divisionDigits = 16;

/** @throws RangeError for NaN and infinities */
export function decimalOf(value: number): Decimal {
  if (!Number.isFinite(value)) throw new RangeError(`cannot compute with ${value}`);
  const [mantissa = '', power = ''] = value.toExponential().split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  return { coefficient: BigInt(whole + fraction), exponent: Number(power) - fraction.length };
}

export const numberOf = ({ coefficient, exponent }: Decimal): number => Number(`${coefficient}e${exponent}`);

const scaled = ({ coefficient, exponent }: Decimal, to: number): bigint =>
  coefficient * 10n ** BigInt(exponent - to);

export function add(a: Decimal, b: Decimal): Decimal {
  const exponent = Math.min(a.exponent, b.exponent);
  return { coefficient: scaled(a, exponent) + scaled(b, exponent), exponent };
}

export const negate = ({ coefficient, exponent }: Decimal): Decimal => ({
  coefficient: -coefficient,
  exponent,
});

export const multiply = (a: Decimal, b: Decimal): Decimal => ({
  coefficient: a.coefficient * b.coefficient,
  exponent: a.exponent + b.exponent,
});

/**
 * Rounded half away from zero to 16 digits after the point.
 * @throws RangeError for a division by zero
 */
export function divide(a: Decimal, b: Decimal): Decimal {
  if (b.coefficient === 0n) throw new RangeError('division by zero');
  const exponent = Math.min(a.exponent, b.exponent);
  const dividend = scaled(a, exponent) * 10n ** BigInt(divisionDigits);
  const divisor = scaled(b, exponent);
  const negative = dividend < 0n !== divisor < 0n;
  const top = dividend < 0n ? -dividend : dividend;
  const bottom = divisor < 0n ? -divisor : divisor;
  const rounded = (top * 2n + bottom) / (bottom * 2n);
  return { coefficient: negative ? -rounded : rounded, exponent: -divisionDigits };
}

/**
 * A float with a given number of digits. Computed on the exact value and rounded half to even, as Go does;
 * JavaScript's own functions round half up and end at 100 digits.
 */

/** The exact value as coefficient * 10 ** -scale. */
function exact(magnitude: number): { coefficient: bigint; scale: number } {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, magnitude);
  const bits = view.getBigUint64(0);
  const biased = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xf_ffff_ffff_ffffn;
  const mantissa = biased === 0 ? fraction : fraction | (1n << 52n);
  const power = Math.max(biased, 1) - 1075;
  // A half is five tenths: 2 ** -n is 5 ** n / 10 ** n.
  return power >= 0
    ? { coefficient: mantissa << BigInt(power), scale: 0 }
    : { coefficient: mantissa * 5n ** BigInt(-power), scale: -power };
}

/** Without the last `count` digits; with zeros for a negative count. */
function dropDigits(coefficient: bigint, count: number): bigint {
  if (count <= 0) return coefficient * 10n ** BigInt(-count);
  const unit = 10n ** BigInt(count);
  const quotient = coefficient / unit;
  const twice = (coefficient % unit) * 2n;
  const up = twice > unit || (twice === unit && quotient % 2n === 1n);
  return up ? quotient + 1n : quotient;
}

/** `%f` of a number that is finite and not negative. */
export function toFixed(magnitude: number, places: number): string {
  const { coefficient, scale } = exact(magnitude);
  const digits = dropDigits(coefficient, scale - places)
    .toString()
    .padStart(places + 1, '0');
  if (places === 0) return digits;
  return `${digits.slice(0, -places)}.${digits.slice(-places)}`;
}

/** `%e` of a number that is finite and not negative: one digit before the point, at least two in the exponent. */
export function toExponential(magnitude: number, places: number): string {
  const { coefficient, scale } = exact(magnitude);
  const length = coefficient.toString().length;
  let digits = dropDigits(coefficient, length - 1 - places).toString();
  let exponent = coefficient === 0n ? 0 : length - 1 - scale;
  if (digits.length > places + 1) {
    // 9.99 has become 10.0.
    digits = digits.slice(0, -1);
    exponent++;
  }
  const fraction = digits.slice(1).padEnd(places, '0');
  const power = String(Math.abs(exponent)).padStart(2, '0');
  return `${digits[0]}${places > 0 ? `.${fraction}` : ''}e${exponent < 0 ? '-' : '+'}${power}`;
}

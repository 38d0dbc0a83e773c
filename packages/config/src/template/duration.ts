/** Durations of Go's time package, in nanoseconds. */
export const nanosecond = 1n;
export const millisecond = 1_000_000n;
export const second = 1_000_000_000n;
export const minute = 60n * second;
export const hour = 60n * minute;

const units: Readonly<Record<string, bigint>> = {
  ns: nanosecond,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ms: millisecond,
  s: second,
  m: minute,
  h: hour,
};
const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y;

/** `1h30m`, `-1.5s`, `0`; undefined for anything else. */
export function parseDuration(text: string): bigint | undefined {
  const sign = /^[+-]/.exec(text)?.[0] ?? '';
  const rest = text.slice(sign.length);
  if (rest === '0') return 0n;
  let total = 0n;
  let at = 0;
  while (at < rest.length) {
    part.lastIndex = at;
    const match = part.exec(rest);
    if (match === null) return undefined;
    const [whole, amount = '', name = ''] = match;
    const [integral = '', fraction = ''] = amount.split('.');
    const unit = units[name] ?? 0n;
    total += BigInt(integral === '' ? 0 : integral) * unit;
    if (fraction !== '') total += (BigInt(fraction) * unit) / 10n ** BigInt(fraction.length);
    at += whole.length;
  }
  if (rest === '' || total !== BigInt.asIntN(64, total)) return undefined;
  return sign === '-' ? -total : total;
}

/** A number of `unit`s with as many digits after the point as it needs. */
function decimal(amount: bigint, unit: bigint): string {
  const digits = unit.toString().length - 1;
  const fraction = (amount % unit).toString().padStart(digits, '0').replace(/0+$/, '');
  return `${amount / unit}${fraction === '' || unit === 1n ? '' : `.${fraction}`}`;
}

/** `1h30m0s`, `1.5s`, `250ms`, `0s` */
export function formatDuration(duration: bigint): string {
  const sign = duration < 0n ? '-' : '';
  const amount = duration < 0n ? -duration : duration;
  if (amount === 0n) return '0s';
  if (amount < 1000n) return `${sign}${amount}ns`;
  if (amount < millisecond) return `${sign}${decimal(amount, 1000n)}µs`;
  if (amount < second) return `${sign}${decimal(amount, millisecond)}ms`;
  const hours = amount / hour;
  const minutes = (amount % hour) / minute;
  const seconds = `${decimal(amount % minute, second)}s`;
  if (hours > 0n) return `${sign}${hours}h${minutes}m${seconds}`;
  return minutes > 0n ? `${sign}${minutes}m${seconds}` : sign + seconds;
}

/** The largest unit alone: `2h`, `3d`, `1mo`, `1y` (365 days; a month is 30). */
export function roundDuration(duration: bigint): string {
  const amount = duration < 0n ? -duration : duration;
  const steps: readonly (readonly [bigint, string])[] = [
    [hour * 24n * 365n, 'y'],
    [hour * 24n * 30n, 'mo'],
    [hour * 24n, 'd'],
    [hour, 'h'],
    [minute, 'm'],
    [second, 's'],
  ];
  for (const [unit, name] of steps) if (amount > unit) return `${amount / unit}${name}`;
  return '0s';
}

import { formatDuration, parseDuration, roundDuration, second } from '../duration.ts';
import { TemplateFailure } from '../failure.ts';
import { type TemplateFunction, takes } from '../function.ts';
import type { Run } from '../run.ts';
import { Time } from '../time.ts';
import { formatTime, parseTime } from '../time-layout.ts';
import { describe, isInteger, type Value } from '../value.ts';
import { fixedZone, localZone, namedZone, utc } from '../zone.ts';

const nanosecondsOf = (milliseconds: number): bigint => BigInt(Math.trunc(milliseconds)) * 1_000_000n;

/** The seconds of the year 9999: what lies beyond cannot be written in four digits. */
const lastSecond = 253_402_300_799;

function now(run: Run): Time {
  return new Time(nanosecondsOf(run.clock()), localZone());
}

/** A time, or seconds since 1970; anything else is now, as in sprig. */
function timeOf(run: Run, value: Value): Time {
  if (value instanceof Time) return value;
  if (!isInteger(value)) return now(run);
  if (value > lastSecond || value < -lastSecond) throw new TemplateFailure('the time is out of range');
  return new Time(BigInt(value) * second, localZone());
}

function inZone(run: Run, layout: string, value: Value, zone: string): string {
  // An unknown zone is UTC, as in sprig.
  return formatTime(layout, timeOf(run, value).in(namedZone(zone) ?? utc).parts);
}

function onlyTime(value: Value): Time {
  if (value instanceof Time) return value;
  throw new TemplateFailure(`needs a time, got ${describe(value)}`, 'now and toDate give times');
}

function modify(text: string, value: Value): Time {
  const duration = parseDuration(text);
  if (duration === undefined) {
    throw new TemplateFailure(
      `${JSON.stringify(text)} is not a duration`,
      'Durations look like -1.5h, 30m or 1h15m30s',
    );
  }
  const time = onlyTime(value);
  return new Time(time.nanoseconds + duration, time.zone);
}

function parse(layout: string, text: string): Time {
  const parsed = parseTime(layout, text);
  if (parsed === undefined) {
    throw new TemplateFailure(
      `the text is not a time in the layout ${JSON.stringify(layout)}`,
      'A layout is written with the time Mon Jan 2 15:04:05 MST 2006',
    );
  }
  const { milliseconds, nanoseconds, offset, abbreviation } = parsed;
  const instant = (shift: number): bigint => nanosecondsOf(milliseconds - shift * 1000) + BigInt(nanoseconds);
  if (offset !== undefined) {
    return new Time(
      instant(offset),
      offset === 0 && abbreviation === 'UTC' ? utc : fixedZone(offset, abbreviation),
    );
  }
  const zone = localZone();
  // The offset is that of the instant, which needs the offset: the second look settles it.
  const guess = zone.offsetAt(milliseconds);
  return new Time(instant(zone.offsetAt(milliseconds - guess * 1000)), zone);
}

function durationOf(run: Run, value: Value): bigint {
  if (typeof value === 'string') return parseDuration(value) ?? 0n;
  if (isInteger(value)) return BigInt(value);
  return value instanceof Time ? nanosecondsOf(run.clock()) - value.nanoseconds : 0n;
}

const seconds = (value: Value): bigint => {
  if (isInteger(value)) return BigInt(value);
  return typeof value === 'string' && /^[+-]?\d+$/.test(value) ? BigInt(value.replace('+', '')) : 0n;
};

const dateInZone = takes(['string', 'any', 'string'], inZone);
const dateModify = takes(['string', 'any'], (_, text, value) => modify(text, value));
const toDate = takes(['string', 'string'], (_, layout, text) => parse(layout, text));

export const dateFunctions: Readonly<Record<string, TemplateFunction>> = {
  ago: takes(['any'], (run, value) => {
    const passed = nanosecondsOf(run.clock()) - timeOf(run, value).nanoseconds;
    return formatDuration(((passed + (passed < 0n ? -second : second) / 2n) / second) * second);
  }),
  date: takes(['string', 'any'], (run, layout, value) => inZone(run, layout, value, 'Local')),
  date_in_zone: dateInZone,
  date_modify: dateModify,
  dateInZone,
  dateModify,
  duration: takes(['any'], (_, value) => formatDuration(seconds(value) * second)),
  durationRound: takes(['any'], (run, value) => roundDuration(durationOf(run, value))),
  htmlDate: takes(['any'], (run, value) => inZone(run, '2006-01-02', value, 'Local')),
  htmlDateInZone: takes(['any', 'string'], (run, value, zone) => inZone(run, '2006-01-02', value, zone)),
  must_date_modify: dateModify,
  mustDateModify: dateModify,
  mustToDate: toDate,
  now: takes([], now),
  toDate,
  unixEpoch: takes(['any'], (_, value) => String(onlyTime(value).since1970(second))),
};

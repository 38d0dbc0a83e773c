import { TemplateFailure } from './failure.ts';
import { formatTime } from './time-layout.ts';
import { integer, Struct, type Value } from './value.ts';
import { localZone, utc, type Zone } from './zone.ts';

/** The parts of an instant in its zone. */
export interface TimeParts {
  readonly year: number;
  /** From 1. */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly nanosecond: number;
  /** 0 is Sunday. */
  readonly weekday: number;
  /** From 1. */
  readonly yearDay: number;
  /** Seconds east of UTC. */
  readonly offset: number;
  readonly abbreviation: string;
}

const perMillisecond = 1_000_000n;
const dayMilliseconds = 86_400_000;
/** 0001-01-01, where Go's zero time is. */
const zero = -62_135_596_800_000_000_000n;

/** An instant in a zone: Go's time.Time. */
export class Time extends Struct {
  readonly typeName = 'time.Time';

  constructor(
    /** Since 1970. */
    readonly nanoseconds: bigint,
    readonly zone: Zone,
  ) {
    super();
  }

  in(zone: Zone): Time {
    return new Time(this.nanoseconds, zone);
  }

  get parts(): TimeParts {
    const rest = ((this.nanoseconds % perMillisecond) + perMillisecond) % perMillisecond;
    const milliseconds = Number((this.nanoseconds - rest) / perMillisecond);
    const offset = this.zone.offsetAt(milliseconds);
    const date = new Date(milliseconds + offset * 1000);
    const year = date.getUTCFullYear();
    const midnight = new Date(0);
    midnight.setUTCFullYear(year, 0, 1);
    return {
      year,
      month: date.getUTCMonth() + 1,
      day: date.getUTCDate(),
      hour: date.getUTCHours(),
      minute: date.getUTCMinutes(),
      second: date.getUTCSeconds(),
      nanosecond: date.getUTCMilliseconds() * 1_000_000 + Number(rest),
      weekday: date.getUTCDay(),
      yearDay: Math.floor((date.getTime() - midnight.getTime()) / dayMilliseconds) + 1,
      offset,
      abbreviation: this.zone.abbreviationAt(milliseconds),
    };
  }

  toText(): string {
    return formatTime('2006-01-02 15:04:05.999999999 -0700 MST', this.parts);
  }

  override toJson(): string {
    return formatTime('2006-01-02T15:04:05.999999999Z07:00', this.parts);
  }

  method(name: string): ((args: readonly Value[]) => Value) | undefined {
    switch (name) {
      case 'Format':
        return ([layout]) => {
          if (typeof layout === 'string') return formatTime(layout, this.parts);
          throw new TemplateFailure('needs a layout such as "2006-01-02" as argument');
        };
      case 'Unix':
        return () => this.since1970(1_000_000_000n);
      case 'UnixMilli':
        return () => this.since1970(perMillisecond);
      case 'UnixNano':
        return () => this.since1970(1n);
      case 'Year':
        return () => this.parts.year;
      case 'Month':
        return () => formatTime('January', this.parts);
      case 'Day':
        return () => this.parts.day;
      case 'Hour':
        return () => this.parts.hour;
      case 'Minute':
        return () => this.parts.minute;
      case 'Second':
        return () => this.parts.second;
      case 'Nanosecond':
        return () => this.parts.nanosecond;
      case 'Weekday':
        return () => formatTime('Monday', this.parts);
      case 'YearDay':
        return () => this.parts.yearDay;
      case 'UTC':
        return () => this.in(utc);
      case 'Local':
        return () => this.in(localZone());
      case 'IsZero':
        return () => this.nanoseconds === zero;
      case 'String':
        return () => this.toText();
      default:
        return undefined;
    }
  }

  /** Rounded down, as Go does. */
  since1970(unit: bigint): number | bigint {
    const quotient = this.nanoseconds / unit;
    return integer(this.nanoseconds % unit < 0n ? quotient - 1n : quotient);
  }
}

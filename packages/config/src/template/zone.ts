/** A time zone: its offset and its abbreviation at an instant. */
export interface Zone {
  /** Seconds east of UTC. @param milliseconds since 1970 */
  readonly offsetAt: (milliseconds: number) => number;
  /** `CET`; empty where the zone has no name at that instant. */
  readonly abbreviationAt: (milliseconds: number) => string;
}

export const utc: Zone = { offsetAt: () => 0, abbreviationAt: () => 'UTC' };

/** A zone of which only the offset is known. */
export const fixedZone = (offset: number, abbreviation = ''): Zone => ({
  offsetAt: () => offset,
  abbreviationAt: () => abbreviation,
});

/** The zone of the IANA database with that name; undefined where there is none. */
export function namedZone(name: string): Zone | undefined {
  if (name === '' || name === 'UTC') return utc;
  if (name === 'Local') return localZone();
  // Intl also takes offsets such as "+01:00", which are no names.
  if (!/^[A-Za-z]/.test(name)) return undefined;
  try {
    return new IntlZone(name);
  } catch {
    return undefined;
  }
}

export function localZone(): Zone {
  const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
  return timeZone === 'UTC' ? utc : new IntlZone(timeZone);
}

/** Each knows the abbreviations of its part of the world. */
const locales = ['en-US', 'en-GB', 'en-AU', 'en-NZ', 'en-IN', 'en-ZA', 'ja-JP'];

class IntlZone implements Zone {
  readonly #timeZone: string;
  readonly #offset: Intl.DateTimeFormat;

  /** @throws RangeError for a zone that there is not */
  constructor(timeZone: string) {
    this.#timeZone = timeZone;
    this.#offset = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' });
  }

  offsetAt(milliseconds: number): number {
    const match = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?/.exec(zoneName(this.#offset, milliseconds));
    const [, sign, hours = 0, minutes = 0, seconds = 0] = match ?? [];
    const offset = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
    return sign === '-' ? -offset : offset;
  }

  abbreviationAt(milliseconds: number): string {
    for (const locale of locales) {
      const name = zoneName(this.#names(locale), milliseconds);
      if (/^[A-Z]+$/.test(name)) return name;
    }
    return numericName(this.offsetAt(milliseconds));
  }

  #names(locale: string): Intl.DateTimeFormat {
    return new Intl.DateTimeFormat(locale, { timeZone: this.#timeZone, timeZoneName: 'short' });
  }
}

/** Zones without an abbreviation are called by their offset: `-03`, `+0545`. */
function numericName(offset: number): string {
  const minutes = Math.floor(Math.abs(offset) / 60);
  const parts = minutes % 60 === 0 ? [minutes / 60] : [Math.floor(minutes / 60), minutes % 60];
  return (offset < 0 ? '-' : '+') + parts.map((part) => String(part).padStart(2, '0')).join('');
}

function zoneName(names: Intl.DateTimeFormat, milliseconds: number): string {
  return names.formatToParts(milliseconds).find((part) => part.type === 'timeZoneName')?.value ?? '';
}

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

class IntlZone implements Zone {
  readonly #offset: Intl.DateTimeFormat;
  readonly #names: readonly Intl.DateTimeFormat[];

  constructor(timeZone: string) {
    this.#offset = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' });
    // American English abbreviates the zones of America, British English those of Europe.
    this.#names = ['en-US', 'en-GB', 'en-AU'].map(
      (locale) => new Intl.DateTimeFormat(locale, { timeZone, timeZoneName: 'short' }),
    );
  }

  offsetAt(milliseconds: number): number {
    const match = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?/.exec(zoneName(this.#offset, milliseconds));
    const [, sign, hours = 0, minutes = 0, seconds = 0] = match ?? [];
    const offset = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
    return sign === '-' ? -offset : offset;
  }

  abbreviationAt(milliseconds: number): string {
    return (
      this.#names.map((names) => zoneName(names, milliseconds)).find((name) => /^[A-Z]+$/.test(name)) ?? ''
    );
  }
}

function zoneName(names: Intl.DateTimeFormat, milliseconds: number): string {
  return names.formatToParts(milliseconds).find((part) => part.type === 'timeZoneName')?.value ?? '';
}

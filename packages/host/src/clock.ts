/** Time as waiting work sees it; a test has its own. */
export interface Clock {
  /** Milliseconds from an arbitrary point, never backwards. */
  now(): number;
  sleep(milliseconds: number): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (milliseconds) => Bun.sleep(milliseconds),
};

/**
 * Watches over something that is waited for again and again: it fails when one wait takes too long, or when a signal
 * ends all of it. A wait costs two readings of the clock; a timer for each would be felt with thousands a second.
 */
export class StallWatch {
  /** What ended the waiting. */
  failure: Error | undefined;
  private since: number | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly abort = () => this.fail(new Error('stopped'));

  /**
   * @param timeout milliseconds that one wait may take
   * @param late makes the error for a wait that took longer
   * @param onFailure called once, with what is in `failure` then; it lets go what the wait is for
   */
  constructor(
    private readonly timeout: number,
    private readonly signals: readonly AbortSignal[],
    private readonly late: () => Error,
    private readonly onFailure: (failure: Error) => void,
  ) {
    for (const signal of signals) signal.addEventListener('abort', this.abort, { once: true });
    this.timer = setTimeout(() => this.look(), timeout);
    if (signals.some(({ aborted }) => aborted)) this.abort();
  }

  /** A wait begins. */
  begin(): void {
    this.since = performance.now();
  }

  /** What was waited for has come. */
  came(): void {
    this.since = undefined;
  }

  /** Nothing is watched any more. */
  end(): void {
    clearTimeout(this.timer);
    for (const signal of this.signals) signal.removeEventListener('abort', this.abort);
  }

  private look(): void {
    const waited = this.since === undefined ? 0 : performance.now() - this.since;
    // A timer may come a little early.
    if (waited >= this.timeout - 1) this.fail(this.late());
    else this.timer = setTimeout(() => this.look(), this.timeout - waited);
  }

  private fail(failure: Error): void {
    if (this.failure !== undefined) return;
    this.failure = failure;
    this.end();
    this.onFailure(failure);
  }
}

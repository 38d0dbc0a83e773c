/** What long work tells about itself. */
export interface Progress {
  /** A short name of the step, stable for scripts. */
  readonly step: string;
  readonly message: string;
  /** Bytes or items done and in all, where they are known. */
  readonly done?: number;
  readonly total?: number;
  /** Not a step but something that its user should look at. */
  readonly warning?: boolean;
}

/** Redraws on a terminal no more often than this, in milliseconds. */
const redrawInterval = 100;

/**
 * Shows progress on standard error: one line that is redrawn on a terminal, a plain line for each step elsewhere,
 * so that logs stay readable.
 */
export class ProgressLine {
  private last = '';
  private drawn = 0;
  private width = 0;
  private readonly started = performance.now();

  constructor(
    private readonly stream: { write(text: string): unknown; isTTY?: boolean; columns?: number },
    private readonly quiet = false,
  ) {}

  report = (progress: Progress): void => {
    if (progress.warning || progress.step === 'warning') {
      // Whole, also where a step's line would be cut, and also for who wants no progress.
      this.end();
      this.stream.write(`warning: ${progress.message}\n`);
      return;
    }
    if (this.quiet) return;
    const seconds = ((performance.now() - this.started) / 1000).toFixed(1).padStart(6);
    if (!this.stream.isTTY) {
      if (progress.message === this.last) return;
      this.last = progress.message;
      this.stream.write(`${seconds} s  ${progress.message}\n`);
      return;
    }
    const now = performance.now();
    if (progress.message === this.last && now - this.drawn < redrawInterval) return;
    if (this.last && progress.message !== this.last) this.stream.write('\n');
    this.last = progress.message;
    this.drawn = now;
    const share =
      progress.total && progress.done !== undefined
        ? ` ${Math.floor((100 * progress.done) / progress.total)}%`
        : '';
    const line = `${seconds} s  ${progress.message}${share}`.slice(0, (this.stream.columns ?? 80) - 1);
    this.stream.write(`\r${line.padEnd(this.width)}`);
    this.width = line.length;
  };

  end(): void {
    if (this.stream.isTTY && this.last) this.stream.write('\n');
    this.last = '';
    this.width = 0;
  }
}

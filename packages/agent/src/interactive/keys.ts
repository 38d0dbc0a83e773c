import type { ReadStream } from 'node:tty';

/** Keys of a terminal, one at a time; also those that were typed while nobody waited. */
export class Keys {
  private readonly typed: string[] = [];
  private wake: (() => void) | undefined;
  private ended = false;
  /** Over a serial line the bytes of a letter come one by one. */
  private readonly decoder = new TextDecoder();
  private readonly onData = (data: Buffer | string): void => {
    const text = typeof data === 'string' ? data : this.decoder.decode(data, { stream: true });
    // The sequence of a function key or an arrow is none of the keys that anybody asks for.
    if (!/^\u001b./s.test(text)) this.typed.push(...text);
    this.wake?.();
  };
  private readonly onEnd = (): void => {
    this.ended = true;
    this.wake?.();
  };

  constructor(private readonly input: ReadStream) {}

  /** Begins to listen: keys come as they are, also Ctrl-C. */
  open(): this {
    this.input.setRawMode?.(true);
    this.input.on('data', this.onData).on('end', this.onEnd).on('close', this.onEnd);
    this.input.resume();
    return this;
  }

  close(): void {
    this.input.off('data', this.onData).off('end', this.onEnd).off('close', this.onEnd);
    this.input.setRawMode?.(false);
    this.input.pause();
  }

  /** The next key; `undefined` at the end of input and where the signal fires. */
  async next(signal?: AbortSignal): Promise<string | undefined> {
    while (this.typed.length === 0 && !this.ended && !signal?.aborted) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
        signal?.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    this.wake = undefined;
    return signal?.aborted ? undefined : this.typed.shift();
  }
}

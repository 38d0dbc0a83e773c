import { createHash } from 'node:crypto';
import { KairosError } from '@kairos/facts/errors';

/** SHA-256 of content that comes in pieces. */
export interface ContentHash extends Disposable {
  /** Adds bytes, which must stay as they are until this resolves. Calls need not wait for each other. */
  update(bytes: Uint8Array): Promise<void>;
  /** The digest of all bytes, in hexadecimal digits. Nothing can be added after it. */
  digest(): Promise<string>;
}

/** Hashes at once, or on a thread of its own, which takes a few milliseconds to start and leaves this one free. */
export function contentHash(onThread: boolean): ContentHash {
  return onThread ? new HashThread() : hashHere();
}

function hashHere(): ContentHash {
  const hash = createHash('sha256');
  return {
    async update(bytes) {
      hash.update(bytes);
    },
    digest: async () => hash.digest('hex'),
    [Symbol.dispose]() {},
  };
}

/**
 * What runs on the thread: bytes are hashed and answered, anything else asks for the digest. It is a text here so that it is
 * in every executable without being a file of it.
 */
const program = `
  import { createHash } from 'node:crypto';
  const hash = createHash('sha256');
  onmessage = ({ data }) => {
    if (data instanceof Uint8Array) hash.update(data);
    postMessage(data instanceof Uint8Array ? '' : hash.digest('hex'));
  };
`;

interface Asked {
  readonly resolve: (answer: string) => void;
  readonly reject: (error: Error) => void;
}

class HashThread implements ContentHash {
  private readonly url = URL.createObjectURL(new Blob([program], { type: 'text/javascript' }));
  private readonly worker: Worker;
  /** What has no answer yet, oldest first: the thread answers in order. */
  private readonly asked: Asked[] = [];
  private failure: Error | undefined;

  constructor() {
    this.worker = new Worker(this.url);
    this.worker.onmessage = ({ data }) => this.asked.shift()?.resolve(String(data));
    this.worker.onerror = ({ message }) => {
      this.failure = new KairosError(
        'HASH_THREAD_FAILED',
        `The thread that computes digests failed: ${message}`,
      );
      for (const { reject } of this.asked.splice(0)) reject(this.failure);
    };
  }

  /** Bytes in shared memory are not copied. */
  async update(bytes: Uint8Array): Promise<void> {
    await this.ask(bytes);
  }

  digest(): Promise<string> {
    return this.ask(null);
  }

  [Symbol.dispose](): void {
    this.worker.terminate();
    URL.revokeObjectURL(this.url);
  }

  private ask(message: Uint8Array | null): Promise<string> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.asked.push({ resolve, reject });
    this.worker.postMessage(message);
    return promise;
  }
}

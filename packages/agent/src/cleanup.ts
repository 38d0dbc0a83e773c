import { reasonOf } from '@kairos/facts/errors';

interface Undo {
  readonly what: string;
  readonly run: () => void | Promise<void>;
}

/** What has to be undone when work stops, newest first. */
export class Cleanup {
  private readonly stack: Undo[] = [];

  push(what: string, run: () => void | Promise<void>): void {
    this.stack.push({ what, run });
  }

  /** Undoes one thing in the course of the work. */
  async take(what: string, run: () => void | Promise<void>): Promise<void> {
    await run();
    const index = this.stack.findLastIndex((undo) => undo.what === what);
    if (index >= 0) this.stack.splice(index, 1);
  }

  /** Undoes all that is left; a failure does not stop the rest. Gives what could not be undone. */
  async run(): Promise<string[]> {
    const problems: string[] = [];
    for (let undo = this.stack.pop(); undo !== undefined; undo = this.stack.pop()) {
      try {
        await undo.run();
      } catch (error) {
        problems.push(`${undo.what}: ${reasonOf(error)}`);
      }
    }
    return problems;
  }
}

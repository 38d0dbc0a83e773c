/** Changes an ext4 file system inside a disk image without mounting it, as damage and as a user's edit. */
import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { MiB } from '@kairos/facts/size';

function run(argv: readonly string[], input?: string): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...argv], {
    stdin: input === undefined ? 'ignore' : new TextEncoder().encode(input),
  });
  if (exitCode !== 0) throw new Error(`${argv.join(' ')} exited with ${exitCode}: ${stderr}`);
  return stdout.toString();
}

/** Bytes from the start of the disk to a partition, by its name in the partition table. */
function partitionOffset(disk: string, name: string): number {
  const { partitiontable: table } = JSON.parse(run(['sfdisk', '--json', disk]));
  const found = table.partitions.find((one: { name?: string }) => one.name === name);
  if (!found) throw new Error(`${disk} has no partition ${name}`);
  return found.start * table.sectorsize;
}

/** A partition of a disk image, edited by debugfs. */
export class OfflinePartition {
  private readonly offset: number;
  constructor(
    private readonly disk: string,
    name: string,
  ) {
    this.offset = partitionOffset(disk, name);
  }

  private debugfs(...commands: string[]): string {
    const device = `${this.disk}?offset=${this.offset}`;
    return run(['debugfs', '-w', '-f', '-', device], `${commands.join('\n')}\n`);
  }

  /** Replaces a file, or makes it; one that can be run has `executable`. */
  write(path: string, content: string | Uint8Array, executable = false): void {
    const source = `${this.disk}.file`;
    writeFileSync(source, content);
    try {
      const mode = `sif ${path} mode ${executable ? '0100755' : '0100644'}`;
      const output = this.debugfs(`rm ${path}`, `write ${source} ${path}`, mode, `stat ${path}`);
      if (!output.includes('Type: regular')) throw new Error(`${path} was not written: ${output}`);
    } finally {
      rmSync(source, { force: true });
    }
  }

  remove(path: string): void {
    this.debugfs(`rm ${path}`);
  }

  size(path: string): number {
    return Number(/Size: (\d+)/.exec(this.debugfs(`stat ${path}`))?.[1]);
  }

  /** Puts noise over what the file system begins with. */
  overwrite(bytes: number): void {
    const descriptor = openSync(this.disk, 'r+');
    try {
      const noise = Buffer.alloc(MiB);
      for (let done = 0; done < bytes; done += noise.length) {
        randomFillSync(noise);
        writeSync(descriptor, noise, 0, Math.min(noise.length, bytes - done), this.offset + done);
      }
    } finally {
      closeSync(descriptor);
    }
  }

  /** Turns every bit of some bytes of a file where they are on the disk. */
  flip(path: string, start: number, length: number): void {
    const block = Number(
      /^(\d+)$/m.exec(
        this.debugfs(`bmap ${path} ${Math.floor(start / 4096)}`).replaceAll(/debugfs:.*\n/g, ''),
      )?.[1],
    );
    if (!Number.isSafeInteger(block) || block === 0) throw new Error(`${path} has no block at ${start}`);
    const at = this.offset + block * 4096 + (start % 4096);
    const descriptor = openSync(this.disk, 'r+');
    try {
      const bytes = Buffer.alloc(length);
      readSync(descriptor, bytes, 0, length, at);
      writeSync(
        descriptor,
        bytes.map((byte) => byte ^ 0xff),
        0,
        length,
        at,
      );
    } finally {
      closeSync(descriptor);
    }
  }
}

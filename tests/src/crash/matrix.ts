import { type BootloaderPayload, readBootloaderPayload } from '@kairos/artifacts/bootloader-payload';
import { bootFormFromDirectory } from '@kairos/oci/boot-form-directory';
import { BlockDisk } from './block-disk.ts';
import { examine, judge, type Sight, type Verdict } from './boot-check.ts';
import { applyEntry, type CrashPoint, randomFrom, sampleSurvivors, walk } from './crash-points.ts';
import { diskSize, imageFolder, versions } from './session.ts';
import { markOffset, markPrefix, operationFacts, readPhase } from './session-script.ts';
import { type LogEntry, readWriteLog } from './write-log.ts';

/** A power cut after which the node was lost, with what is needed to look at it again. */
export interface Loss {
  readonly phase: string;
  /** The flush in the log; with a seed, writes since the flush before it survived as the seed says. */
  readonly entry: number;
  readonly seed: number | undefined;
  readonly reasons: readonly string[];
}

export interface Count {
  /** States of the disk right after a flush. */
  points: number;
  /** States with writes reordered, lost and torn between two flushes. */
  samples: number;
  survived: number;
  /** Survivors that start at the second attempt, see {@link Verdict.secondStart}. */
  secondStarts: number;
  /** Survivors of an installation on which nothing starts yet. */
  notInstalled: number;
}

export interface MatrixResult {
  readonly counts: ReadonlyMap<string, Count>;
  readonly losses: readonly Loss[];
}

export interface MatrixOptions {
  /** Samples between two flushes; fewer where fewer writes lie between them. */
  readonly samples: number;
  readonly seed: number;
  /** Called for each state right after a flush, with its verdict. */
  readonly onPoint?: (disk: BlockDisk, point: CrashPoint, verdict: Verdict) => void;
}

/** The text of a mark that the guest wrote into its sector. */
export function markOf(entry: LogEntry): string | undefined {
  if (entry.offset !== markOffset || entry.length !== 512) return undefined;
  const text = Buffer.from(entry.data).toString('latin1').replace(/\0+$/, '').trim();
  return text.startsWith(markPrefix) ? text.slice(markPrefix.length) : undefined;
}

/** The boot loaders of the session's images. */
export function sessionPayloads(): Promise<BootloaderPayload[]> {
  return Promise.all(
    versions.map((version) => readBootloaderPayload(bootFormFromDirectory(imageFolder(version)))),
  );
}

/** A log as it is on the disk; it is read as far as it is walked. */
export function openLog(path: string) {
  return readWriteLog(Bun.mmap(path, { shared: false }));
}

type Slots = Readonly<Record<'active' | 'passive' | 'recovery', string>>;

/** Versions that do not belong where they are. */
function strangers(sight: Sight | undefined, name: string, allowed: readonly Slots[]): string[] {
  return Object.entries(sight?.slots ?? {}).flatMap(([slot, found]) =>
    'version' in found && !allowed.some((one) => one[slot as keyof Slots] === found.version)
      ? [`${name}: ${slot} holds ${found.version}`]
      : [],
  );
}

/** Judges a disk by what the session did when it was as it is. */
export function judgePhase(disk: BlockDisk, phase: string, payloads: readonly BootloaderPayload[]): Verdict {
  const { operation, after: since } = readPhase(phase);
  const { before, after } = operationFacts[operation];
  const under = since === undefined;
  const finding = examine(disk, payloads);
  const verdict = judge(disk, finding, payloads, under && operation === 'install');
  if (verdict.notInstalled) return verdict;
  const allowed = under && before ? [before, after] : [after];
  const strange = [
    ...strangers(finding.grub, 'GRUB', allowed),
    ...strangers(finding.linux, 'Linux', allowed),
  ];
  return { ...verdict, losses: [...verdict.losses, ...strange] };
}

/** The seed of a sample, from which alone it can be made again. */
export const sampleSeed = (seed: number, entry: number, sample: number): number =>
  (Math.imul(seed, 0x9e3779b1) ^ Math.imul(entry + 1, 0x85ebca6b) ^ Math.imul(sample + 1, 0xc2b2ae35)) >>> 0;

/** Walks through the log of a session and judges the disk at each flush and at samples between flushes. */
export async function runMatrix(log: string, options: MatrixOptions): Promise<MatrixResult> {
  const payloads = await sessionPayloads();
  const counts = new Map<string, Count>();
  const losses: Loss[] = [];
  const tell = (point: CrashPoint, verdict: Verdict, kind: 'points' | 'samples', seed?: number) => {
    const { operation, after } = readPhase(point.phase);
    const phase = after ?? operation;
    const count = counts.get(phase) ?? {
      points: 0,
      samples: 0,
      survived: 0,
      secondStarts: 0,
      notInstalled: 0,
    };
    counts.set(phase, count);
    count[kind]++;
    if (verdict.losses.length === 0) {
      count.survived++;
      if (verdict.secondStart) count.secondStarts++;
      if (verdict.notInstalled) count.notInstalled++;
    } else losses.push({ phase, entry: point.entry, seed, reasons: verdict.losses });
  };
  let written = false;
  walk(new BlockDisk(diskSize), openLog(log).entries(), {
    markOf,
    onWindow(durable, point) {
      written = point.pending.length > 0;
      // One write is there or not, which the flushes around it show, or torn.
      const ways = Math.min(options.samples, 2 ** Math.min(point.pending.length, 20));
      for (let sample = 0; sample < ways && written; sample++) {
        const seed = sampleSeed(options.seed, point.entry, sample);
        const disk = durable.overlay();
        for (const { entry, length } of sampleSurvivors(point.pending, randomFrom(seed))) {
          applyEntry(disk, entry, length);
        }
        tell(point, judgePhase(disk, point.phase, payloads), 'samples', seed);
      }
    },
    onFlush(disk, point) {
      if (!written) return;
      const verdict = judgePhase(disk, point.phase, payloads);
      tell(point, verdict, 'points');
      options.onPoint?.(disk, point, verdict);
    },
  });
  return { counts, losses };
}

/** One line for each phase: what was tried and what survived. */
export function describeCounts({ counts, losses }: MatrixResult, seed: number): string[] {
  const lines = [...counts].map(([phase, { points, samples, survived, secondStarts, notInstalled }]) => {
    const more = [
      ...(notInstalled > 0 ? [`${notInstalled} not installed yet`] : []),
      ...(secondStarts > 0 ? [`${secondStarts} at the second start`] : []),
    ];
    return `crash matrix: ${phase}: ${points + samples} points (${points} flushes, ${samples} samples), ${survived} survived${more.length > 0 ? ` (${more.join(', ')})` : ''}`;
  });
  const lost = losses.map(({ phase, entry, seed: sample, reasons }) => {
    const again = `bun tests/src/crash/replay.ts --point ${entry}${sample === undefined ? '' : ` --sample ${sample}`}`;
    return `crash matrix: LOST in ${phase}: ${reasons.join('; ')} (${again})`;
  });
  return [...lines, `crash matrix: seed ${seed}, ${losses.length} lost`, ...lost];
}

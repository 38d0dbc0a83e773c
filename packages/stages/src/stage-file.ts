import type { Document } from '@kairos/config/document';
import { type CloudConfigStep, translateCloudConfig } from './cloud-init.ts';
import { Field, isRecord } from './field.ts';
import { firstProblems, type ProblemSink, problemOf, type StageProblem } from './problem.ts';

/** One step of a stage as written: a map of modules and conditions. */
export interface Step {
  /** Of the author; several steps may share it. */
  readonly name: string | undefined;
  /** The key in `stages` that it stands under, such as `boot.before`. */
  readonly stage: string;
  /** Its place among the steps of its stage in its file, from 0. */
  readonly index: number;
  /** The step itself, for positions. */
  readonly field: Field;
  /** Modules, conditions and other keys. */
  readonly keys: ReadonlyMap<string, Field>;
}

/** A document seen as stages. */
export interface StageFile {
  readonly file: string;
  /** The directory that was collected, `''` for a document from elsewhere. */
  readonly directory: string;
  /** `name:` at its root. */
  readonly name: string | undefined;
  readonly document: Document;
  /** Steps by the key they stand under. */
  readonly stages: ReadonlyMap<string, readonly Step[]>;
}

function nativeStep(stage: string, index: number, field: Field): Step {
  const keys = new Map(field.entries());
  return { name: keys.get('name')?.text(), stage, index, field, keys };
}

function translatedStep(stage: string, index: number, step: CloudConfigStep): Step {
  return { name: step.name, stage, index, field: step.field, keys: step.modules };
}

/**
 * Reads the stages of a document, with cloud-config keys at the root translated to steps that come first.
 * What cannot be read is a problem and leaves the rest usable.
 */
export function stageFileOf(
  document: Document,
  directory = '',
): { readonly file: StageFile; readonly problems: readonly StageProblem[] } {
  const problems: StageProblem[] = [];
  const report: ProblemSink = (problem) => problems.push(problem);
  const root = Field.root(document);
  const stages = new Map<string, Step[]>();
  const listOf = (stage: string): Step[] => {
    const list = stages.get(stage) ?? [];
    stages.set(stage, list);
    return list;
  };
  const attempt = (position: Field, read: () => void): void => {
    try {
      read();
    } catch (error) {
      report(problemOf(error, { position: position.position }));
    }
  };
  if (!root.empty && !isRecord(root.value))
    report(problemOf(root.mismatch('a map'), { position: root.position }));
  if (document.header !== undefined && isRecord(root.value)) {
    for (const [stage, steps] of translateCloudConfig(root, report)) {
      const list = listOf(stage);
      for (const step of steps) list.push(translatedStep(stage, list.length, step));
    }
  }
  let name: string | undefined;
  attempt(root, () => {
    name = root.key('name').text();
  });
  attempt(root, () => {
    for (const [stage, steps] of root.key('stages').entries()) {
      attempt(steps, () => {
        const list = listOf(stage);
        if (!steps.empty && !Array.isArray(steps.value)) throw steps.mismatch('a list of steps');
        for (const item of steps.items()) {
          if (item.empty) continue;
          attempt(item, () => list.push(nativeStep(stage, list.length, item)));
        }
      });
    }
  });
  return {
    file: { file: document.file, directory, name, document, stages },
    problems: firstProblems(problems),
  };
}

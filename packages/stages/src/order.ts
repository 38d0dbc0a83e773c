import type { Field } from './field.ts';
import { problemOf, type StageProblem, showPosition } from './problem.ts';
import type { StageFile, Step } from './stage-file.ts';

/** A step with its place in the order. */
export interface PlannedStep {
  /** `<config name or file>.<step name or index>`, the name that `after` uses. */
  readonly id: string;
  readonly step: Step;
  readonly file: StageFile;
  /** `S.before`, `S` or `S.after`. */
  readonly pass: string;
  /** Why it comes here, for people. */
  readonly reason: string;
  /** Identifiers of the steps that it waits for by `after`. */
  readonly after: readonly string[];
}

interface Node {
  readonly id: string;
  readonly step: Step;
  readonly file: StageFile;
  /** Its place by files and steps alone. */
  readonly natural: number;
  /** Places of the nodes that come before it by `after`. */
  readonly waitsFor: Set<number>;
}

/** The names of the steps of one stage in one file: by index as soon as two steps share a name or have none. */
function stepIds(file: StageFile, steps: readonly Step[]): string[] {
  const config = file.name ?? file.file;
  const names = steps.map((step) => step.name ?? '');
  const shared = new Set(names).size < names.length;
  return steps.map((step, index) => {
    if (shared) return step.name === undefined ? `${config}.${index}` : `${config}.${step.name}.${index}`;
    return `${config}.${step.name ?? index}`;
  });
}

function passes(stage: string): [string, string, string] {
  return [`${stage}.before`, stage, `${stage}.after`];
}

/** The names that a step answers to in `after`. */
function answersTo(node: Node): string[] {
  const { step, file } = node;
  const configs = file.name === undefined ? [file.file] : [file.name, file.file];
  return configs.flatMap((config) => [
    ...(step.name === undefined ? [] : [`${config}.${step.name}`, `${config}.${step.name}.${step.index}`]),
    `${config}.${step.index}`,
  ]);
}

function targetsOf(step: Step, problems: StageProblem[]): Field[] {
  try {
    return (step.keys.get('after')?.items() ?? []).filter((item) => !item.empty);
  } catch (error) {
    problems.push(problemOf(error, { position: step.field.position }));
    return [];
  }
}

function targetName(target: Field): string | undefined {
  return typeof target.value === 'string' ? target.value : target.key('name').text();
}

/** The strongly connected components with more than one node, and nodes that wait for themselves (Tarjan). */
function cycles(nodes: readonly Node[]): number[][] {
  const index = new Map<number, number>();
  const low = new Map<number, number>();
  const stack: number[] = [];
  const onStack = new Set<number>();
  const found: number[][] = [];
  const visit = (start: number): void => {
    const work: { node: number; edges: number[]; next: number }[] = [];
    const open = (node: number) => {
      index.set(node, index.size);
      low.set(node, index.get(node) ?? 0);
      stack.push(node);
      onStack.add(node);
      work.push({ node, edges: [...(nodes[node]?.waitsFor ?? [])], next: 0 });
    };
    open(start);
    for (let frame = work.at(-1); frame !== undefined; frame = work.at(-1)) {
      const edge = frame.edges[frame.next++];
      const lowest = low.get(frame.node) ?? 0;
      if (edge === undefined) {
        work.pop();
        const parent = work.at(-1);
        if (parent) low.set(parent.node, Math.min(low.get(parent.node) ?? 0, lowest));
        if (lowest === index.get(frame.node)) {
          const members: number[] = [];
          for (let member = stack.pop(); member !== undefined; member = stack.pop()) {
            onStack.delete(member);
            members.push(member);
            if (member === frame.node) break;
          }
          const own = nodes[frame.node]?.waitsFor.has(frame.node) ?? false;
          if (members.length > 1 || own) found.push(members.sort((a, b) => a - b));
        }
      } else if (!index.has(edge)) {
        open(edge);
      } else if (onStack.has(edge)) {
        low.set(frame.node, Math.min(lowest, index.get(edge) ?? 0));
      }
    }
  };
  for (const node of nodes) if (!index.has(node.natural)) visit(node.natural);
  return found;
}

/** Always the step that is first by files and has nothing left to wait for. The nodes must be free of cycles. */
function sorted(nodes: readonly Node[]): Node[] {
  const open = nodes.map((node) => node.waitsFor.size);
  const waiters: Node[][] = nodes.map(() => []);
  for (const node of nodes) for (const target of node.waitsFor) waiters[target]?.push(node);
  const ready = nodes.filter((node) => node.waitsFor.size === 0);
  const order: Node[] = [];
  for (let node = ready.shift(); node !== undefined; node = ready.shift()) {
    order.push(node);
    for (const waiter of waiters[node.natural] ?? []) {
      const left = (open[waiter.natural] ?? 0) - 1;
      open[waiter.natural] = left;
      if (left > 0) continue;
      const place = ready.findIndex((other) => other.natural > waiter.natural);
      ready.splice(place < 0 ? ready.length : place, 0, waiter);
    }
  }
  return order;
}

/** Named steps that cannot be told apart. */
function reportDuplicates(nodes: readonly Node[], problems: StageProblem[]): void {
  const first = new Map<string, Node>();
  for (const node of nodes) {
    if (node.step.name === undefined) continue;
    const name = `${node.file.name ?? node.file.file}.${node.step.name}`;
    const other = first.get(name);
    if (other === undefined) {
      first.set(name, node);
      continue;
    }
    problems.push({
      severity: 'warning',
      code: 'STEP_DUPLICATE',
      message: `step ${name} is already at ${showPosition(other.step.field.position)}; both run`,
      position: node.step.field.position,
      step: node.id,
    });
  }
}

/**
 * The one order of a stage: `S.before`, then `S`, then `S.after`; in each, files as collected (by directory, then by
 * name) and the steps of a file as written. A step with `after` moves behind the last step that it names, and nothing
 * else moves. Targets that do not exist and cycles are problems, and the `after` concerned is left out.
 */
export function orderStage(
  stage: string,
  files: readonly StageFile[],
): { readonly steps: PlannedStep[]; readonly problems: StageProblem[] } {
  const problems: StageProblem[] = [];
  const steps: PlannedStep[] = [];
  const all = passes(stage);
  const nodesOf = new Map<string, Node[]>();
  for (const pass of all) {
    const nodes: Node[] = [];
    for (const file of files) {
      const list = file.stages.get(pass) ?? [];
      const ids = stepIds(file, list);
      list.forEach((step, index) => {
        nodes.push({ id: ids[index] ?? '', step, file, natural: nodes.length, waitsFor: new Set() });
      });
    }
    nodesOf.set(pass, nodes);
  }
  const byPass = all.map((pass) => {
    const names = new Map<string, Node[]>();
    for (const node of nodesOf.get(pass) ?? []) {
      for (const name of new Set(answersTo(node))) names.set(name, [...(names.get(name) ?? []), node]);
    }
    return names;
  });
  all.forEach((pass, passIndex) => {
    const nodes = nodesOf.get(pass) ?? [];
    reportDuplicates(nodes, problems);
    for (const node of nodes) {
      for (const target of targetsOf(node.step, problems)) {
        const place = { position: target.position, step: node.id };
        let name: string | undefined;
        try {
          name = targetName(target);
        } catch (error) {
          problems.push(problemOf(error, place));
          continue;
        }
        if (name === undefined) {
          problems.push({
            severity: 'warning',
            code: 'AFTER_UNKNOWN',
            message: '`after` names no step',
            ...place,
          });
          continue;
        }
        const found = byPass[passIndex]?.get(name) ?? [];
        if (found.length === 0) {
          const where = byPass.findIndex((names) => names.has(name));
          if (where >= 0 && where < passIndex) continue;
          problems.push({
            severity: 'warning',
            code: where > passIndex ? 'AFTER_LATER_PASS' : 'AFTER_UNKNOWN',
            message:
              where > passIndex
                ? `\`after\` names ${name}, which is in ${all[where]} and so always comes later`
                : `\`after\` names ${name}, which is not a step of ${stage}; the step stays at its place`,
            ...place,
          });
          continue;
        }
        if (found.length > 1) {
          problems.push({
            severity: 'warning',
            code: 'AFTER_AMBIGUOUS',
            message: `\`after\` names ${name}, which are ${found.length} steps (${found
              .map((node) => showPosition(node.step.field.position))
              .join(', ')}); this one waits for all of them`,
            ...place,
          });
        }
        for (const other of found) node.waitsFor.add(other.natural);
      }
    }
    for (const members of cycles(nodes)) {
      const first = nodes[members[0] ?? 0];
      if (!first) continue;
      problems.push({
        severity: 'error',
        code: 'AFTER_CYCLE',
        message: `steps wait for each other: ${members
          .map(
            (member) =>
              `${nodes[member]?.id} (${showPosition(nodes[member]?.step.field.position ?? first.step.field.position)})`,
          )
          .join(', ')}; they run in the order of their files`,
        position: first.step.field.position,
        step: first.id,
        exit: 'invalidInput',
      });
      const inside = new Set(members);
      for (const member of members) {
        const node = nodes[member];
        if (!node) continue;
        for (const target of node.waitsFor) if (inside.has(target)) node.waitsFor.delete(target);
      }
    }
    for (const node of sorted(nodes)) {
      const after = [...node.waitsFor].map((target) => nodes[target]?.id ?? '');
      const moved = [...node.waitsFor].filter((target) => target > node.natural).length > 0;
      steps.push({
        id: node.id,
        step: node.step,
        file: node.file,
        pass,
        after,
        reason: moved
          ? `after ${after.join(', ')}, as it asks`
          : node.step.index > 0
            ? `step ${node.step.index + 1} of ${pass} in ${node.file.file}`
            : node.file.directory === ''
              ? `first step of ${pass} in ${node.file.file}, which comes after the directories`
              : `first step of ${pass} in ${node.file.file}, by its name in ${node.file.directory}`,
      });
    }
  });
  return { steps, problems };
}

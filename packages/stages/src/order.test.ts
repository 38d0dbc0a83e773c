import { describe, expect, test } from 'bun:test';
import { parseDocument } from '@kairos/config/document';
import fc from 'fast-check';
import { orderStage } from './order.ts';
import { type StageFile, stageFileOf } from './stage-file.ts';

const fileOf = (name: string, text: string): StageFile => stageFileOf(parseDocument(text, name), '/oem').file;
const ids = (files: StageFile[]) => orderStage('boot', files).steps.map(({ id }) => id);
const told = (files: StageFile[]) =>
  orderStage('boot', files).problems.map(({ code, position }) => `${code} ${position.file}:${position.line}`);

describe('order', () => {
  test('files as collected, steps as written, whatever lies between', () => {
    const files = [
      fileOf('01', 'stages: {boot: [{commands: [a]}]}'),
      fileOf('02', 'stages: {network: [{commands: [b]}]}'),
      fileOf('03', 'stages: {boot: [{name: x}, {name: y}]}'),
    ];
    expect(ids(files)).toEqual(['01.0', '03.x', '03.y']);
  });

  test('before, itself, after', () => {
    const file = fileOf(
      '01',
      'stages: {boot.after: [{name: c}], boot: [{name: b}], boot.before: [{name: a}]}',
    );
    expect(orderStage('boot', [file]).steps.map(({ id, pass }) => [id, pass])).toEqual([
      ['01.a', 'boot.before'],
      ['01.b', 'boot'],
      ['01.c', 'boot.after'],
    ]);
  });

  test('a step moves behind what it names, and nothing else moves', () => {
    const files = [
      fileOf('01', 'name: one\nstages: {boot: [{name: a, after: [{name: two.y}]}, {name: b}]}'),
      fileOf('02', 'name: two\nstages: {boot: [{name: x}, {name: y}, {name: z}]}'),
    ];
    const { steps } = orderStage('boot', files);
    expect(steps.map(({ id }) => id)).toEqual(['one.b', 'two.x', 'two.y', 'one.a', 'two.z']);
    expect(steps.map(({ reason }) => reason)).toEqual([
      'step 2 of boot in 01',
      'first step of boot in 02, by its name in /oem',
      'step 2 of boot in 02',
      'after two.y, as it asks',
      'step 3 of boot in 02',
    ]);
  });

  test('shared names and names by index, also of an unnamed file', () => {
    const file = fileOf('/oem/a.yaml', 'stages: {boot: [{name: x}, {name: x}, {}, {}]}');
    expect(ids([file])).toEqual(['/oem/a.yaml.x.0', '/oem/a.yaml.x.1', '/oem/a.yaml.2', '/oem/a.yaml.3']);
    expect(told([file])).toEqual(['STEP_DUPLICATE /oem/a.yaml:1']);
  });

  test('unknown and later targets are told and leave the step at its place', () => {
    const file = fileOf(
      '01',
      `name: one
stages:
  boot:
  - name: a
    after: [{name: one.nowhere}]
  - name: b
    after: [{name: one.late}]
  - name: c
    after: [{name: one.early}]
  boot.after: [{name: late}]
  boot.before: [{name: early}]
`,
    );
    expect(ids([file])).toEqual(['one.early', 'one.a', 'one.b', 'one.c', 'one.late']);
    expect(told([file])).toEqual(['AFTER_UNKNOWN 01:5', 'AFTER_LATER_PASS 01:7']);
  });

  test('a cycle is told with its members, which run as written', () => {
    const file = fileOf(
      '01',
      'name: n\nstages:\n  boot:\n  - name: a\n    after: [{name: n.b}]\n  - name: b\n    after: [{name: n.c}]\n  - name: c\n    after: [{name: n.a}]\n  - name: d\n    after: [{name: n.d}]\n',
    );
    const { steps, problems } = orderStage('boot', [file]);
    expect(steps.map(({ id }) => id)).toEqual(['n.a', 'n.b', 'n.c', 'n.d']);
    expect(problems.map(({ code }) => code)).toEqual(['AFTER_CYCLE', 'AFTER_CYCLE']);
    expect(problems[0]?.message).toBe(
      'steps wait for each other: n.a (01:4:5), n.b (01:6:5), n.c (01:8:5); they run in the order of their files',
    );
  });

  test('an ambiguous name is waited for whole', () => {
    const files = [
      fileOf('01', 'stages: {boot: [{name: first, after: [same.x]}]}'),
      fileOf('02', 'name: same\nstages: {boot: [{name: x}]}'),
      fileOf('03', 'name: same\nstages: {boot: [{name: x}]}'),
    ];
    expect(ids(files)).toEqual(['same.x', 'same.x', '01.first']);
    expect(told(files)).toEqual(['STEP_DUPLICATE 03:2', 'AFTER_AMBIGUOUS 01:1']);
  });
});

test('any edges: every step once, always the same, and each after what it names unless they form a cycle', () => {
  const edges = fc.array(fc.array(fc.nat(9), { maxLength: 3 }), { minLength: 1, maxLength: 10 });
  fc.assert(
    fc.property(edges, (targets) => {
      const steps = targets.map((after, index) => ({
        name: `s${index}`,
        after: after.map((n) => ({ name: `f.s${n}` })),
      }));
      const file = fileOf('f', JSON.stringify({ name: 'f', stages: { boot: steps } }));
      const { steps: order, problems } = orderStage('boot', [file]);
      const names = order.map(({ id }) => id);
      expect([...names].sort()).toEqual(steps.map(({ name }) => `f.${name}`).sort());
      expect(orderStage('boot', [file]).steps.map(({ id }) => id)).toEqual(names);
      if (problems.some(({ code }) => code === 'AFTER_CYCLE')) return;
      for (const { name, after } of steps) {
        for (const target of after) {
          if (names.includes(target.name))
            expect(names.indexOf(target.name)).toBeLessThan(names.indexOf(`f.${name}`));
        }
      }
    }),
    { numRuns: 200 },
  );
});

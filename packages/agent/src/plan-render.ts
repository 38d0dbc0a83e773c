import { createHash } from 'node:crypto';
import type { Afterwards } from './lifecycle.ts';

const ends: Readonly<Record<Afterwards, string>> = {
  nothing: 'nothing',
  reboot: 'restart',
  poweroff: 'power off',
};

/** The end of a plan for people: its steps in words, numbered, and what becomes of the machine. */
export function renderSteps(steps: readonly string[], after: Afterwards): string[] {
  return [
    'Steps',
    ...steps.map((step, index) => `  ${String(index + 1).padStart(2)}  ${step}`),
    '',
    `Then    ${ends[after]}`,
    '',
  ];
}

/** A step for programs, without the bytes that it writes: size and digest stand for them, as they may hold secrets. */
export function stepToJson<Step extends { readonly kind: string; readonly content?: Uint8Array }>(
  step: Step,
): Readonly<Record<string, unknown>> {
  const { content, ...rest } = step;
  if (content === undefined) return rest;
  const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
  return { ...rest, size: content.length, digest };
}

import { expect, test } from 'bun:test';
import { renderTemplate } from '../template.ts';

/** What is tested, the template, what it renders to, and its data. */
export type GoldenCase = readonly [name: string, template: string, expected: string, data?: unknown];

/** The fixed now of the cases: 2024-05-06 07:08:09 UTC. */
export const goldenNow = Date.UTC(2024, 4, 6, 7, 8, 9);

/**
 * Registers a test for each case. Unless a table says otherwise, its expected texts are those of Go's text/template
 * with sprig 3.3.
 */
export function golden(cases: readonly GoldenCase[]): void {
  for (const [name, template, expected, data = {}] of cases) {
    test(name, () => {
      expect(renderTemplate(template, data, { file: 'golden.tmpl', clock: () => goldenNow })).toBe(expected);
    });
  }
}

import { type TemplateFunction, takes } from '../function.ts';
import { parseVersion, satisfies } from '../semantic-version.ts';

export const semverFunctions: Readonly<Record<string, TemplateFunction>> = {
  semver: takes(['string'], (_, text) => parseVersion(text)),
  semverCompare: takes(['string', 'string'], (_, constraint, text) =>
    satisfies(parseVersion(text), constraint),
  ),
};

import type { TemplateFunction } from './function.ts';
import { caseFunctions } from './functions/case.ts';
import { comparisonFunctions } from './functions/comparison.ts';
import { dateFunctions } from './functions/dates.ts';
import { dictFunctions } from './functions/dicts.ts';
import { encodingFunctions } from './functions/encoding.ts';
import { environmentFunctions } from './functions/environment.ts';
import { flowFunctions } from './functions/flow.ts';
import { listFunctions } from './functions/lists.ts';
import { numberFunctions } from './functions/numbers.ts';
import { pathFunctions } from './functions/paths.ts';
import { randomFunctions } from './functions/random.ts';
import { regexFunctions } from './functions/regex.ts';
import { semverFunctions } from './functions/semver.ts';
import { stringFunctions } from './functions/strings.ts';
import { urlFunctions } from './functions/urls.ts';
import { nearest } from './suggestion.ts';

/** The functions by theme, in the order of the manual. */
export const functionThemes: readonly (readonly [
  theme: string,
  Readonly<Record<string, TemplateFunction>>,
])[] = [
  ['Choices and types', flowFunctions],
  ['Comparison', comparisonFunctions],
  ['Strings', stringFunctions],
  ['Case', caseFunctions],
  ['Regular expressions', regexFunctions],
  ['Numbers', numberFunctions],
  ['Lists', listFunctions],
  ['Maps', dictFunctions],
  ['Dates and durations', dateFunctions],
  ['Encodings and digests', encodingFunctions],
  ['Random values and encryption', randomFunctions],
  ['Versions', semverFunctions],
  ['URLs', urlFunctions],
  ['Paths', pathFunctions],
  ['Environment', environmentFunctions],
];

/** A Map, so that `constructor` and its like are no functions. */
const functions: ReadonlyMap<string, TemplateFunction> = new Map(
  functionThemes.flatMap(([, theme]) => Object.entries(theme)),
);

/** The evaluator knows these two, since they do not evaluate all of their arguments. */
export const shortCircuitFunctions: readonly string[] = ['and', 'or'];

/** Functions of sprig that are left out, and why. */
export const refusedFunctions: ReadonlyMap<string, string> = new Map([
  ['bcrypt', 'hash the password where the cloud-config is written; passwd takes the hash'],
  ['htpasswd', 'hash the password where the cloud-config is written'],
  ['derivePassword', 'a password that can be derived is no secret on a node; randAlphaNum makes one'],
  ['genPrivateKey', 'a key in the output of a template ends up in logs and files; generate it in a command'],
  ...[
    'buildCustomCert',
    'genCA',
    'genCAWithKey',
    'genSelfSignedCert',
    'genSelfSignedCertWithKey',
    'genSignedCert',
    'genSignedCertWithKey',
  ].map((name) => [name, 'certificates are issued outside of templates'] as const),
  ['getHostByName', 'templates do not use the network'],
]);

export const functionNames = (): string[] => [...functions.keys(), ...shortCircuitFunctions].sort();

export const functionNamed = (name: string): TemplateFunction | undefined => functions.get(name);

/** What is wrong with the name of a function, undefined if nothing is. */
export function functionProblem(
  name: string,
  own: ReadonlyMap<string, unknown> = new Map(),
): { message: string; hint?: string } | undefined {
  if (own.has(name) || functions.has(name) || shortCircuitFunctions.includes(name)) return undefined;
  const refused = refusedFunctions.get(name);
  if (refused !== undefined) return { message: `the function ${name} is not available here`, hint: refused };
  const near = nearest(name, [...own.keys(), ...functionNames()]);
  const hint =
    near === undefined ? `A field of the data is written with a dot: .${name}` : `Did you mean ${near}?`;
  return { message: `there is no function ${name}`, hint };
}

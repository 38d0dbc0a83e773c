import { type GoExpression, goExpression } from '@kairos/config/go-expression';
import { architectureNames } from '@kairos/facts/architecture';
import { reasonOf } from '@kairos/facts/errors';
import type { ModuleContext } from './context.ts';
import type { Field } from './field.ts';
import { resolvePath } from './links.ts';
import { evaluateCondition, parseCondition } from './shell-condition.ts';

/** Keys of a step that decide whether it runs, in the order in which they are asked: the cheap ones first. */
export const conditionKeys = [
  'only_arch',
  'only_service_manager',
  'only_os',
  'only_os_version',
  'node',
  'if_files',
  'if',
] as const;
export type ConditionKey = (typeof conditionKeys)[number];

/**
 * The expression of a condition, as Go writes them.
 * @throws KairosError `EXPRESSION_INVALID`
 */
function expressionOf(field: Field): GoExpression {
  const text = field.text() ?? '';
  try {
    return goExpression(text);
  } catch (error) {
    throw field.invalid(
      'EXPRESSION_INVALID',
      `${JSON.stringify(text)} is not a regular expression: ${reasonOf(error)}`,
    );
  }
}

function matches(field: Field, value: string, what: string): string | undefined {
  if (expressionOf(field).test(value)) return undefined;
  return `${what} ${JSON.stringify(value)} does not match ${JSON.stringify(field.text())}`;
}

/** Each gives the reason why the step is skipped, or nothing. */
const conditions: Record<
  ConditionKey,
  (field: Field, context: ModuleContext) => string | undefined | Promise<string | undefined>
> = {
  only_arch(field, { facts }) {
    const expression = expressionOf(field);
    const { uname } = architectureNames[facts.architecture];
    if (expression.test(facts.architecture) || expression.test(uname)) return undefined;
    return `the architecture is ${facts.architecture}, not ${field.text()}`;
  },
  only_service_manager(field, { facts }) {
    const wanted = (field.text() ?? '').toLowerCase();
    if (wanted !== 'systemd' && wanted !== 'openrc') {
      throw field.invalid(
        'SERVICE_MANAGER_UNKNOWN',
        `only_service_manager is ${JSON.stringify(wanted)}`,
        'Write systemd or openrc',
      );
    }
    return wanted === facts.serviceManager
      ? undefined
      : `the service manager is ${facts.serviceManager ?? 'unknown'}, not ${wanted}`;
  },
  only_os: (field, { facts }) =>
    matches(field, facts.osRelease.PRETTY_NAME ?? facts.osRelease.NAME ?? '', 'the operating system'),
  only_os_version: (field, { facts }) => matches(field, facts.osRelease.VERSION_ID ?? '', 'the version'),
  node: (field, { facts }) => matches(field, facts.hostname, 'the host name'),
  if_files(field, { host }) {
    const there = (path: string) => {
      const resolved = resolvePath(host.files, path);
      return resolved !== undefined && host.files.status(resolved) !== undefined;
    };
    for (const [check, list] of field.entries()) {
      const files = list.texts();
      if (files.length === 0) continue;
      if (check === 'all') {
        const absent = files.find((path) => !there(path));
        if (absent !== undefined) return `${absent} is not there`;
      } else if (check === 'any') {
        if (!files.some(there)) return `none of ${files.join(', ')} is there`;
      } else if (check === 'none') {
        const present = files.find(there);
        if (present !== undefined) return `${present} is there`;
      } else {
        throw list.invalid(
          'CONDITION_UNKNOWN',
          `if_files knows no ${JSON.stringify(check)}`,
          'Write all, any or none',
        );
      }
    }
    return undefined;
  },
  async if(field, context) {
    const text = context.render(field) ?? '';
    const shown = text.trim().replace(/\s+/g, ' ');
    const plain = parseCondition(text, context.host.uid);
    if (plain !== undefined) {
      return evaluateCondition(plain, context.host.files) ? undefined : `not: ${shown}`;
    }
    // Any exit code is an answer.
    const codes = Array.from({ length: 256 }, (_, code) => code);
    const { code } = await context.query(['sh', '-c', text], { okCodes: codes });
    return code === 0 ? undefined : `not (exit code ${code}): ${shown}`;
  },
};

/**
 * Why a step is to be skipped, or `undefined` if it is to run. All conditions have to hold.
 * @throws KairosError for a condition that cannot be read
 */
export async function reasonToSkip(
  keys: ReadonlyMap<string, Field>,
  context: ModuleContext,
): Promise<string | undefined> {
  for (const key of conditionKeys) {
    const field = keys.get(key);
    if (field === undefined || field.empty || field.value === '') continue;
    const reason = await conditions[key](field, context);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

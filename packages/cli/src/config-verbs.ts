import { closeSync, openSync, readSync, statSync } from 'node:fs';
import {
  type Configuration,
  compareConfigurations,
  type Explanation,
  explainKey,
  printConfiguration,
  queryConfiguration,
  readConfiguration,
  validateText,
} from '@kairos/agent/configuration';
import { maximumFileSize } from '@kairos/config/collect';
import { jsonSchema } from '@kairos/config/json-schema';
import { formatProblem, hasErrors } from '@kairos/config/problem';
import { plainValue } from '@kairos/config/tree';
import { exitCodes, isSystemError, KairosError, type Position, reasonOf } from '@kairos/facts/errors';
import { version as ownVersion } from '@kairos/facts/version';
import { machineHost } from '@kairos/host/machine';

/** Milliseconds for a URL to answer. */
const patience = 30_000;

async function fetchLimited(url: string): Promise<string> {
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(patience) });
  } catch (cause) {
    throw new KairosError('URL_UNREACHABLE', `Cannot fetch ${url}: ${reasonOf(cause)}`, {
      exit: 'network',
      cause,
    });
  }
  if (!response.ok || response.body === null) {
    throw new KairosError('URL_REFUSED', `Cannot fetch ${url}: the server answered ${response.status}`, {
      exit: 'network',
    });
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body) {
    length += chunk.length;
    if (length > maximumFileSize) {
      throw new KairosError('FILE_TOO_LARGE', `${url} has more than ${maximumFileSize} bytes`, {
        exit: 'invalidInput',
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The configuration that a user named: `-`, a URL, a directory or a file. */
async function configurationOf(source: string, strict: boolean): Promise<Configuration> {
  if (source === '-') return validateText(readNamed('-'), 'stdin', strict);
  if (/^https?:\/\//.test(source)) return validateText(await fetchLimited(source), source, strict);
  try {
    if (statSync(source).isDirectory()) {
      return await readConfiguration(machineHost(), { directories: [source], strict });
    }
  } catch (cause) {
    throw unreadable(cause, source);
  }
  return validateText(readNamed(source), source, strict);
}

function unreadable(cause: unknown, file: string): unknown {
  if (!isSystemError(cause, 'ENOENT', 'ENOTDIR', 'EACCES', 'EISDIR')) return cause;
  return new KairosError('FILE_NOT_FOUND', `Cannot read ${file}: ${reasonOf(cause)}`, {
    exit: 'notFound',
    cause,
  });
}

/**
 * The text of a file that a user named, `-` for standard input. One of any size may be named, or one without an end: no
 * more is read than would be looked at.
 * @throws KairosError `FILE_NOT_FOUND`, `FILE_TOO_LARGE`
 */
function readNamed(file: string): string {
  let descriptor = 0;
  try {
    if (file !== '-') descriptor = openSync(file, 'r');
  } catch (cause) {
    throw unreadable(cause, file);
  }
  try {
    const bytes = Buffer.alloc(maximumFileSize + 1);
    let length = 0;
    while (length < bytes.length) {
      const count = readSync(descriptor, bytes, length, bytes.length - length, null);
      if (count === 0) break;
      length += count;
    }
    if (length > maximumFileSize) {
      throw new KairosError(
        'FILE_TOO_LARGE',
        `${file === '-' ? 'stdin' : file} has more than ${maximumFileSize} bytes`,
        {
          exit: 'invalidInput',
        },
      );
    }
    return bytes.toString('utf8', 0, length);
  } catch (cause) {
    throw unreadable(cause, file);
  } finally {
    if (descriptor !== 0) closeSync(descriptor);
  }
}

/** Prints problems to standard error, as a compiler does. */
function printProblems({ problems, sourceOf }: Configuration): void {
  for (const problem of problems) process.stderr.write(`${formatProblem(problem, sourceOf)}\n`);
}

export async function validateVerb(
  source: string,
  flags: { json: boolean; strict: boolean },
): Promise<number> {
  const configuration = await configurationOf(source, flags.strict);
  const failed = hasErrors(configuration.problems);
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ valid: !failed, problems: configuration.problems })}\n`);
  } else {
    printProblems(configuration);
    const errors = configuration.problems.filter(({ severity }) => severity === 'error').length;
    const warnings = configuration.problems.length - errors;
    process.stdout.write(
      `${source}: ${failed ? 'invalid' : 'valid'}, ${errors} errors, ${warnings} warnings\n`,
    );
  }
  return failed ? exitCodes.invalidInput : 0;
}

export async function showVerb(flags: { json: boolean; strict: boolean }): Promise<number> {
  const configuration = await readConfiguration(machineHost(), { commandLine: true, strict: flags.strict });
  if (flags.json) {
    const { tree, sources, problems } = configuration;
    process.stdout.write(`${JSON.stringify({ config: plainValue(tree), sources, problems })}\n`);
  } else {
    process.stdout.write(printConfiguration(configuration));
    printProblems(configuration);
  }
  return flags.strict && hasErrors(configuration.problems) ? exitCodes.invalidInput : 0;
}

export async function getVerb(query: string): Promise<string> {
  return queryConfiguration(await readConfiguration(machineHost(), { commandLine: true }), query);
}

export async function explainVerb(key: string, json: boolean): Promise<string> {
  const explanation = explainKey(await readConfiguration(machineHost(), { commandLine: true }), key);
  if (json) return `${JSON.stringify(explanation)}\n`;
  return `${explanationLines(explanation).join('\n')}\n`;
}

const showPlace = ({ file, line, column }: Position) => `${file}:${line}:${column}`;

/** A value with its place; of maps and lists each value that is in them. */
function explanationLines({ key, value, setAt, overrides, parts }: Explanation): string[] {
  const taken = overrides.map((place) => `  overrides ${showPlace(place)}`);
  if (parts !== undefined && parts.length > 0) {
    return [...(taken.length > 0 ? [key, ...taken] : []), ...parts.flatMap(explanationLines)];
  }
  return [`${key} = ${JSON.stringify(value)}`, `  set at ${showPlace(setAt)}`, ...taken];
}

export async function diffVerb(before: string, after: string, json: boolean): Promise<number> {
  const found = compareConfigurations(
    await configurationOf(before, false),
    await configurationOf(after, false),
  );
  if (json) process.stdout.write(`${JSON.stringify(found)}\n`);
  else {
    for (const each of found) {
      const path = each.path.join('.');
      if (each.kind === 'changed') {
        process.stdout.write(`~ ${path}: ${JSON.stringify(each.before)} → ${JSON.stringify(each.after)}\n`);
      } else {
        process.stdout.write(`${each.kind === 'added' ? '+' : '-'} ${path}: ${JSON.stringify(each.value)}\n`);
      }
    }
  }
  return found.length === 0 ? 0 : 1;
}

export function schemaVerb(version = ownVersion): string {
  return `${JSON.stringify(jsonSchema(version), null, 2)}\n`;
}

/**
 * Renders a template with the configuration and the state of this node: `.Config`, `.State` and `.Values`.
 * @throws KairosError with the position of the fault
 */
export async function renderVerb(file: string): Promise<string> {
  const text = readNamed(file);
  const { renderTemplateOnNode } = await import('@kairos/agent/commands/render-template');
  return renderTemplateOnNode(machineHost(), text, file === '-' ? 'stdin' : file);
}

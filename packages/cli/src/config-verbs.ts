import { statSync } from 'node:fs';
import {
  type Configuration,
  type ConfigurationRequest,
  compareConfigurations,
  type Explanation,
  explainKey,
  printConfiguration,
  queryConfiguration,
  readConfiguration,
  validateText,
} from '@kairos/agent/configuration';
import { readDocument } from '@kairos/config/collect';
import { jsonSchema } from '@kairos/config/json-schema';
import { formatProblem, hasErrors } from '@kairos/config/problem';
import { plainValue } from '@kairos/config/tree';
import { exitCodes, type Position } from '@kairos/facts/errors';
import { urlWithoutSecrets } from '@kairos/facts/url';
import { version as ownVersion } from '@kairos/facts/version';
import { machineHost } from '@kairos/host/machine';
import { fetchNamed, readNamed, unreadable } from './named-source.ts';

/** Whether `config_url` is followed. */
interface Links {
  readonly offline: boolean;
}

/** Milliseconds for what `config_url` names: somebody waits for the answer, and can ask again. */
const linkPatience = 5000;

function remoteOf({ offline }: Links): Pick<ConfigurationRequest, 'remote'> {
  if (offline) return {};
  return {
    async remote() {
      const { remoteReader } = await import('@kairos/stages/remote-reader');
      return { ...remoteReader(machineHost(), { patience: linkPatience }), attempts: 1 };
    },
  };
}

/** The configuration of this node. */
const ownConfiguration = (links: Links, strict = false) =>
  readConfiguration(machineHost(), { commandLine: true, strict, ...remoteOf(links) });

const isUrl = (source: string) => /^https?:\/\//.test(source);

function isDirectory(source: string): boolean {
  try {
    return statSync(source).isDirectory();
  } catch (cause) {
    throw unreadable(cause, source);
  }
}

/** A source that is one text, with the name that messages use; `undefined` for a directory. */
async function textOf(source: string): Promise<{ text: string; name: string } | undefined> {
  if (source === '-') return { text: readNamed('-'), name: 'stdin' };
  // Scripts of the field give the text itself: `validate "$(cat FILE)"`.
  if (source.includes('\n')) return { text: source, name: 'argument' };
  if (isUrl(source)) return { text: await fetchNamed(source), name: urlWithoutSecrets(source) };
  return isDirectory(source) ? undefined : { text: readNamed(source), name: source };
}

/** Prints problems to standard error, as a compiler does. */
function printProblems({ problems, sourceOf }: Pick<Configuration, 'problems' | 'sourceOf'>): void {
  for (const problem of problems) process.stderr.write(`${formatProblem(problem, sourceOf)}\n`);
}

/** Says what of a configuration does not count, to whoever asked for a part of it only. */
function printLeftOut({ leftOut, sourceOf }: Configuration): void {
  printProblems({ problems: leftOut, sourceOf });
}

const counted = (count: number, word: string) => `${count} ${word}${count === 1 ? '' : 's'}`;

export async function validateVerb(
  source: string,
  flags: { json: boolean; strict: boolean },
): Promise<number> {
  const given = await textOf(source);
  const configuration =
    given === undefined
      ? await readConfiguration(machineHost(), {
          directories: [source],
          strict: flags.strict,
          stageFiles: true,
        })
      : validateText(given.text, given.name, flags.strict, { stageFiles: true });
  const failed = hasErrors(configuration.problems);
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ valid: !failed, problems: configuration.problems })}\n`);
  } else {
    printProblems(configuration);
    const errors = configuration.problems.filter(({ severity }) => severity === 'error').length;
    const warnings = configuration.problems.length - errors;
    process.stdout.write(
      `${given?.name ?? source}: ${failed ? 'invalid' : 'valid'}, ${counted(errors, 'error')}, ${counted(warnings, 'warning')}\n`,
    );
  }
  return failed ? exitCodes.invalidInput : 0;
}

export async function showVerb(flags: Links & { json: boolean; strict: boolean }): Promise<number> {
  const configuration = await ownConfiguration(flags, flags.strict);
  if (flags.json) {
    const { tree, sources, problems } = configuration;
    process.stdout.write(`${JSON.stringify({ config: plainValue(tree), sources, problems })}\n`);
  } else {
    process.stdout.write(printConfiguration(configuration));
    printProblems(configuration);
  }
  return flags.strict && hasErrors(configuration.problems) ? exitCodes.invalidInput : 0;
}

export async function getVerb(query: string, flags: Links & { json: boolean }): Promise<string> {
  const configuration = await ownConfiguration(flags);
  printLeftOut(configuration);
  return queryConfiguration(configuration, query, flags.json);
}

export async function explainVerb(key: string, flags: Links & { json: boolean }): Promise<string> {
  const configuration = await ownConfiguration(flags);
  printLeftOut(configuration);
  const explanation = explainKey(configuration, key);
  if (flags.json) return `${JSON.stringify(explanation)}\n`;
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

/** The configuration of a source to compare, with what it links to. */
async function comparable(source: string, links: Links): Promise<Configuration> {
  const given = await textOf(source);
  const read = given === undefined ? undefined : readDocument(given.text, given.name);
  const configuration = await readConfiguration(machineHost(), {
    directories: read === undefined ? [source] : [],
    documents: read?.documents ?? [],
    problems: (read?.problems ?? []).map((problem) => ({ ...problem, severity: 'error' as const })),
    ...remoteOf(links),
  });
  printProblems({
    problems: configuration.leftOut,
    sourceOf: (file) => (file === given?.name ? given.text : configuration.sourceOf(file)),
  });
  return configuration;
}

/** Exit code 0 without a difference, 1 with one, that of invalid input where a file could not be compared. */
export async function diffVerb(
  before: string,
  after: string,
  flags: Links & { json: boolean },
): Promise<number> {
  const sides = [await comparable(before, flags), await comparable(after, flags)] as const;
  const found = compareConfigurations(...sides);
  if (flags.json) process.stdout.write(`${JSON.stringify(found)}\n`);
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
  if (sides.some(({ leftOut }) => hasErrors(leftOut))) return exitCodes.invalidInput;
  return found.length === 0 ? 0 : 1;
}

export function schemaVerb(version = ownVersion): string {
  return `${JSON.stringify(jsonSchema(version), null, 2)}\n`;
}

/**
 * Renders a template with the configuration and the state of this node: `.Config`, `.State` and `.Values`.
 * @throws KairosError with the position of the fault
 */
export async function renderVerb(file: string, links: Links): Promise<string> {
  const text = readNamed(file);
  const { renderTemplateOnNode } = await import('@kairos/agent/commands/render-template');
  return renderTemplateOnNode(machineHost(), text, file === '-' ? 'stdin' : file, {
    ...remoteOf(links),
    onLeftOut: printLeftOut,
  });
}

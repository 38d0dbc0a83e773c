import { cmdlineWords } from '@kairos/facts/cmdline';
import { parse as parseYaml } from 'yaml';
import type { Document, Path } from './document.ts';
import { root } from './schema/root.ts';

/** The file name under which values of the kernel's command line are reported. */
export const commandLineFile = 'cmdline';

/** A deeper path or a longer list is a mistake or an attack. */
const maximumSteps = 16;
const maximumIndex = 1000;

const own = new Set(Object.keys(root.shape));

/** A value as YAML would read it, so that `true` is a boolean and `3` a number; a text where that fails. */
function scalarOf(text: string): unknown {
  try {
    const value: unknown = parseYaml(text, { maxAliasCount: 0 });
    return typeof value === 'object' ? text : value;
  } catch {
    return text;
  }
}

function put(target: Record<string, unknown>, steps: readonly string[], value: unknown): void {
  let place: Record<string, unknown> | unknown[] = target;
  steps.forEach((step, index) => {
    const last = index === steps.length - 1;
    const key: string | number = Array.isArray(place) ? Number(step) : step;
    const container = place as Record<string | number, unknown>;
    if (last) container[key] = value;
    else {
      const next = container[key];
      const wantsList = /^\d+$/.test(steps[index + 1] ?? '');
      if (typeof next !== 'object' || next === null || Array.isArray(next) !== wantsList) {
        container[key] = wantsList ? [] : {};
      }
      place = container[key] as Record<string, unknown> | unknown[];
    }
  });
}

/** `a.b[0].c` and `a.b.0.c` as steps; `undefined` where it is no path of ours. */
function stepsOf(path: string): string[] | undefined {
  const steps = path.replaceAll(/\[(\d+)\]/g, '.$1').split('.');
  const fine = steps.every(
    (step) =>
      /^[\w-]+$/.test(step) && step !== '__proto__' && !(/^\d+$/.test(step) && Number(step) > maximumIndex),
  );
  return fine && steps.length <= maximumSteps ? steps : undefined;
}

/**
 * The configuration on a kernel command line: `kairos.config=KEY=VALUE`, `kairos.config_url=URL`, bare `KEY.SUB=VALUE` for
 * keys that are ours, and the older `cos.setup=` and `config_url=`, over which the `kairos.` forms win. `undefined` where
 * it holds none.
 */
export function kernelArgumentsDocument(cmdline: string): Document | undefined {
  const legacy: [readonly string[], string][] = [];
  const current: [readonly string[], string][] = [];
  const setting = (text: string, into: [readonly string[], string][]) => {
    const at = text.indexOf('=');
    const steps = stepsOf(at < 0 ? text : text.slice(0, at));
    if (steps) into.push([steps, at < 0 ? 'true' : text.slice(at + 1)]);
  };
  for (const word of cmdlineWords(cmdline)) {
    const at = word.indexOf('=');
    if (at < 0) continue;
    const key = word.slice(0, at);
    const value = word.slice(at + 1);
    if (key === 'kairos.config') setting(value, current);
    else if (key === 'kairos.config_url') current.push([['config_url'], value]);
    else if (key === 'cos.setup' || key === 'config_url') {
      if (/^\w+:\/\//.test(value) || value.startsWith('/')) legacy.push([['config_url'], value]);
      else setting(value, legacy);
    } else if (own.has(key.split(/[.[]/)[0] ?? '') && key.includes('.')) setting(word, legacy);
  }
  const settings = [...legacy, ...current];
  if (settings.length === 0) return undefined;
  const value: Record<string, unknown> = {};
  for (const [steps, text] of settings) put(value, steps, scalarOf(text));
  const position = { file: commandLineFile, line: 1, column: 1 };
  const at = (path: Path) => ({
    ...position,
    column: Math.max(1, cmdline.indexOf(String(path[0] ?? '')) + 1),
  });
  return {
    file: commandLineFile,
    text: cmdline,
    header: undefined,
    value,
    positionOf: at,
    keyPositionOf: at,
  } as Document;
}

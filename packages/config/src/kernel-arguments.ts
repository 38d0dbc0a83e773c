import { cmdlineWords } from '@kairos/facts/cmdline';
import { type Document, type Path, parseDocument } from './document.ts';
import { rootKeys } from './root-keys.ts';

/** The file name under which values of the kernel's command line are reported. */
export const commandLineFile = 'cmdline';

/** A deeper path or a longer list is a mistake or an attack. */
const maximumSteps = 16;
const maximumIndex = 1000;

/** A value as YAML would read it, so that `true` is a boolean and `3` a number; a text where that fails. */
function scalarOf(text: string): unknown {
  // Most values are plain words, which need no parser. Only these begin what YAML reads as another kind.
  if (!/^[-+.0-9~tTfFnN"'|>&*!#%@`[{]/.test(text)) return text;
  try {
    const value = parseDocument(`${text}\n`, commandLineFile).value;
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

interface Setting {
  readonly steps: readonly string[];
  readonly text: string;
  /** Where its word stands on the command line, from 0. */
  readonly offset: number;
}

/**
 * The configuration on a kernel command line: `kairos.config=KEY=VALUE`, `kairos.config_url=URL`, bare `KEY.SUB=VALUE` for
 * keys that are ours, and the older `cos.setup=` and `config_url=`, over which the `kairos.` forms win. It counts as a
 * cloud-config with a header: `users` and `hostname` work as in a file. `undefined` where it holds none.
 */
export function kernelArgumentsDocument(cmdline: string): Document | undefined {
  const legacy: Setting[] = [];
  const current: Setting[] = [];
  let from = 0;
  for (const word of cmdlineWords(cmdline)) {
    // Quotes are taken off words, so what is before the first of them is what can be found again.
    const offset = Math.max(from, cmdline.indexOf(word.split(' ')[0] ?? '', from));
    from = offset + 1;
    const setting = (text: string, into: Setting[]) => {
      const at = text.indexOf('=');
      const steps = stepsOf(at < 0 ? text : text.slice(0, at));
      if (steps) into.push({ steps, text: at < 0 ? 'true' : text.slice(at + 1), offset });
    };
    const at = word.indexOf('=');
    if (at < 0) continue;
    const key = word.slice(0, at);
    const value = word.slice(at + 1);
    if (key === 'kairos.config') setting(value, current);
    else if (key === 'kairos.config_url') current.push({ steps: ['config_url'], text: value, offset });
    else if (key === 'cos.setup' || key === 'config_url') {
      if (/^\w+:\/\//.test(value) || value.startsWith('/')) {
        legacy.push({ steps: ['config_url'], text: value, offset });
      } else setting(value, legacy);
    } else if (rootKeys.has(key.split(/[.[]/)[0] ?? '') && /[.[]/.test(key)) setting(word, legacy);
  }
  const settings = [...legacy, ...current];
  if (settings.length === 0) return undefined;
  const value: Record<string, unknown> = {};
  for (const { steps, text } of settings)
    put(value, steps, steps[0] === 'config_url' ? text : scalarOf(text));

  /** The last setting of a path, of something below it, or of the nearest parent. */
  const settingOf = (path: Path): Setting | undefined => {
    for (let length = path.length; length > 0; length--) {
      const begins = path.slice(0, length).map(String);
      const found = settings.findLast(({ steps }) => begins.every((step, index) => steps[index] === step));
      if (found) return found;
    }
    return undefined;
  };
  const positionOf = (path: Path) => ({
    file: commandLineFile,
    line: 1,
    column: (settingOf(path)?.offset ?? 0) + 1,
  });
  return {
    file: commandLineFile,
    text: cmdline,
    header: '#cloud-config',
    value,
    positionOf,
    keyPositionOf: positionOf,
    sourceOf(path) {
      const found = settingOf(path);
      return found?.steps.length === path.length ? found.text : undefined;
    },
  };
}

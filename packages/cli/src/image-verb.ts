import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { isSystemError, KairosError, reasonOf } from '@kairos/facts/errors';
import { machineHost } from '@kairos/host/machine';
import { parseBase, showBase } from '@kairos/image/base';
import { buildImage } from '@kairos/image/build';
import type { BuildOptions, BuildRequest } from '@kairos/image/build-request';
import {
  type Definition,
  type LocatedDefinition,
  mergeDefinition,
  readDefinition,
  readDefinitionFlags,
} from '@kairos/image/definition';
import { planImage } from '@kairos/image/plan-image';
import { describeStep } from '@kairos/image/plan-text';
import type { BuildImageFlags } from './commands/build-image.ts';
import { interruptible } from './interrupt.ts';
import { ProgressLine } from './progress.ts';

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = isSystemError(cause, 'ENOENT') ? 'there is no such file' : reasonOf(cause);
    throw new KairosError('FILE_NOT_FOUND', `Cannot read ${path}: ${reason}`, { exit: 'notFound', cause });
  }
}

/** A file that the user named relative to where they are, not to a definition. */
function fileOf(text: string): { source: string; path: string } {
  const at = text.lastIndexOf(':/');
  if (at <= 0) {
    throw new KairosError('FILE_FLAG_INVALID', `--file ${text} is not SOURCE:/path`, {
      exit: 'usage',
      hint: 'Write the file of this machine, a colon, and its absolute path in the image',
    });
  }
  return { source: resolve(text.slice(0, at)), path: text.slice(at + 1) };
}

/** A base with its path relative to where the user is, not to a definition. */
function baseFromHere(text: string): string {
  const base = parseBase(text);
  return base.kind === 'debian' ? text : showBase({ ...base, path: resolve(base.path) });
}

/** The flags as a definition. Absent flags are absent keys. */
function flagsAsDefinition(base: string | undefined, flags: BuildImageFlags): Record<string, unknown> {
  const all: Record<string, unknown> = {
    base: base === undefined ? undefined : baseFromHere(base),
    flavor: flags.flavor,
    architecture: flags.architecture,
    version: flags.imageVersion,
    model: flags.model,
    init: flags.init,
    initrd: flags.initrd,
    components: flags.component?.map((name) => (name.includes('/') ? resolve(name) : name)),
    withoutComponents: flags.withoutComponent,
    packages: flags.package,
    files: flags.file?.map(fileOf),
    cloudConfigs: flags.cloudConfig?.map((path) => resolve(path)),
    kernelArguments: flags.kernelArgument,
    filesystem:
      flags.filesystem === undefined && flags.compression === undefined
        ? undefined
        : { type: flags.filesystem, compression: flags.compression },
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** The executable of this process, which fits the machine; a build from sources has to name one. */
function ownExecutable(): string {
  if (/^bun(\.exe)?$/.test(basename(process.execPath))) {
    throw new KairosError('EXECUTABLE_UNKNOWN', 'Which kairos shall go into the image?', {
      exit: 'usage',
      hint: 'Name it with --executable dist/kairos',
    });
  }
  return process.execPath;
}

function requestOf(base: string | undefined, flags: BuildImageFlags): BuildRequest {
  const file: LocatedDefinition =
    flags.definition === undefined
      ? { definition: {} as Definition, directory: process.cwd() }
      : readDefinition(readText(flags.definition), flags.definition);
  const own = readDefinitionFlags(flagsAsDefinition(base, flags));
  const epoch = process.env.SOURCE_DATE_EPOCH;
  if (flags.output === undefined) {
    throw new KairosError('OUTPUT_MISSING', 'Where shall the image go?', {
      exit: 'usage',
      hint: 'Name a folder with --output',
    });
  }
  return {
    definition: mergeDefinition(file.definition, own),
    directory: resolve(file.directory),
    output: resolve(flags.output),
    executable: flags.executable === undefined ? ownExecutable() : resolve(flags.executable),
    refresh: flags.refresh,
    ...(epoch !== undefined && /^\d+$/.test(epoch) ? { epoch: Number(epoch) } : {}),
  };
}

/** `kairos build image`: gives what to print. */
export async function buildImageVerb(base: string | undefined, flags: BuildImageFlags): Promise<string> {
  const request = requestOf(base, flags);
  const line = new ProgressLine(process.stderr, flags.quiet);
  const { signal, done } = interruptible();
  const options: BuildOptions = {
    cacheDirectory: resolve(
      flags.cache ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'kairos'),
    ),
    workDirectory: resolve(flags.work ?? dirname(request.output)),
    signal,
    onProgress: line.report,
  };
  try {
    if (flags.dryRun) {
      const plan = await planImage(machineHost(), request, options);
      for (const warning of plan.warnings) process.stderr.write(`warning: ${warning}\n`);
      if (flags.json) return `${JSON.stringify(plan)}\n`;
      return plan.steps
        .map((step, index) => `${String(index + 1).padStart(3)}  ${describeStep(step)}\n`)
        .join('');
    }
    const result = await buildImage(machineHost(), request, options);
    line.end();
    return flags.json ? `${JSON.stringify(result)}\n` : `${flags.output}  ${result.digest}\n`;
  } finally {
    line.end();
    done();
  }
}

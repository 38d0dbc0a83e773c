import { KairosError, reasonOf } from '@kairos/facts/errors';
import { z } from 'zod';
import type { ProviderAnswer, ProviderBus } from './bus.ts';
import type { ProviderEvent } from './events.ts';

/*
 * One function for each thing that the agent asks its plug-ins. `config` is always the merged configuration as text.
 */

function noProvider(what: string): KairosError {
  return new KairosError('NO_PROVIDER', `${what} needs a plug-in, and this system has none`, {
    exit: 'wrongState',
    hint: 'Put an executable named agent-provider-NAME into /system/providers of the image',
  });
}

async function mustAnswer(
  bus: ProviderBus,
  event: ProviderEvent,
  payload: unknown,
  what: string,
): Promise<ProviderAnswer> {
  if (bus.providers.length === 0) throw noProvider(what);
  const { answer, failures } = await bus.ask(event, payload);
  if (answer !== undefined) return answer;
  const names = bus.providers.map(({ name }) => name).join(', ');
  throw new KairosError(
    'NO_ANSWER',
    `${what}: no plug-in (${names}) answers ${event}${failures.map(({ reason }) => `\n${reason}`).join('')}`,
    { exit: failures.length > 0 ? 'toolFailed' : 'wrongState', details: { event, failures } },
  );
}

function parsed<Value>(answer: ProviderAnswer, schema: z.ZodType<Value>, event: ProviderEvent): Value {
  try {
    return schema.parse(JSON.parse(answer.data));
  } catch (error) {
    const [issue] = error instanceof z.ZodError ? error.issues : [];
    const reason = issue ? `${issue.path.join('.') || 'it'}: ${issue.message}` : reasonOf(error);
    throw new KairosError(
      'ANSWER_INVALID',
      `The plug-in ${answer.provider} answered ${event} with something else than was asked: ${reason}`,
      { exit: 'toolFailed', details: { provider: answer.provider, event } },
    );
  }
}

/** The token to show as a QR code, by which another machine gives this one its configuration. */
export async function installationToken(bus: ProviderBus, config: string): Promise<string> {
  const what = 'An installation without install.auto';
  return (await mustAnswer(bus, 'agent.install.challenge', { config }, what)).data;
}

/**
 * Waits until another machine has sent a configuration.
 * @returns the text of the cloud-config; other keys of the answer have never had a meaning
 */
export async function pairedConfiguration(
  bus: ProviderBus,
  request: { readonly token: string; readonly config: string },
): Promise<string> {
  const answer = await mustAnswer(bus, 'agent.install', request, 'Pairing');
  const { cc } = parsed(answer, z.looseObject({ cc: z.string().nullish() }), 'agent.install');
  if (cc) return cc;
  throw new KairosError(
    'ANSWER_INVALID',
    `The plug-in ${answer.provider} answered agent.install without a configuration (no key cc)`,
    { exit: 'toolFailed' },
  );
}

/** The token by which another machine reaches this one's recovery. */
export async function recoveryToken(bus: ProviderBus, config: string): Promise<string> {
  return (await mustAnswer(bus, 'agent.recovery', { config }, 'Remote recovery')).data;
}

/**
 * Tells plug-ins that a reset begins. They may answer with options, of which `reset-oem` and `strict` have a meaning,
 * that stand above the configuration and the flags; of two plug-ins the first wins.
 */
export async function beforeReset(bus: ProviderBus): Promise<Readonly<Record<string, string>>> {
  const { answers } = await bus.publish('agent.reset.before', {});
  const values = z.record(z.string(), z.union([z.string(), z.boolean(), z.number()]));
  const options: Record<string, string> = {};
  for (const answer of answers) {
    if (answer.data === '') continue;
    for (const [name, value] of Object.entries(parsed(answer, values, 'agent.reset.before'))) {
      options[name] ??= String(value);
    }
  }
  return options;
}

/** Tells plug-ins that a reset is done. */
export async function afterReset(bus: ProviderBus): Promise<void> {
  await bus.publish('agent.reset.after', {});
}

/** Tags that this node may be upgraded to; `undefined` where no plug-in knows. */
export async function availableReleases(bus: ProviderBus, config: string): Promise<string[] | undefined> {
  const { answer } = await bus.ask('agent.available_releases', { config });
  return answer && parsed(answer, z.array(z.string()), 'agent.available_releases');
}

/** The image of a version; `undefined` where no plug-in knows. */
export async function versionImage(bus: ProviderBus, version: string): Promise<string | undefined> {
  return (await bus.ask('agent.version_image', { version })).answer?.data;
}

/** A question that the interactive installer asks for a plug-in; the names are those of the field. */
export interface InstallPrompt {
  /** Where the answer goes, dotted: `p2p.network_token`. */
  readonly YAMLSection: string;
  /** Whether the answer is yes or no. */
  readonly Bool: boolean;
  readonly Prompt: string;
  readonly Default: string;
  /** Ask `AskPrompt` first, and the question only after a yes. */
  readonly AskFirst: boolean;
  readonly AskPrompt: string;
  /** The answer where none is given. */
  readonly IfEmpty: string;
  readonly PlaceHolder: string;
}

const word = z
  .string()
  .nullish()
  .transform((value) => value ?? '');
const yes = z
  .boolean()
  .nullish()
  .transform((value) => value ?? false);
const promptsSchema = z.array(
  z.looseObject({
    YAMLSection: z.string().regex(/^[\w-]+(\.[\w-]+)*$/, 'not a dotted path of keys'),
    Bool: yes,
    Prompt: word,
    Default: word,
    AskFirst: yes,
    AskPrompt: word,
    IfEmpty: word,
    PlaceHolder: word,
  }),
);

/** The questions of all plug-ins. What one answers wrongly costs its own questions, and is warned of. */
export async function installPrompts(
  bus: ProviderBus,
  config: string,
  warn: (message: string) => void,
): Promise<InstallPrompt[]> {
  const { answers } = await bus.publish('agent.interactive-install', { config });
  return answers.flatMap((answer) => {
    if (answer.data === '') return [];
    try {
      return parsed<InstallPrompt[]>(answer, promptsSchema, 'agent.interactive-install');
    } catch (error) {
      warn(reasonOf(error));
      return [];
    }
  });
}

import { type Application, proposeCompletions, type RouteMap } from '@stricli/core';
import type { Context } from './application.ts';

export interface Proposal {
  readonly completion: string;
  readonly brief: string;
}

/** The routes that the words lead to, where they lead to routes and not to a command. */
function routesAt(routes: RouteMap<Context>, words: readonly string[]): RouteMap<Context> | undefined {
  let at = routes;
  for (const word of words) {
    const target = at.getRoutingTargetForInput(word);
    if (target === undefined || !('getAllEntries' in target)) return undefined;
    at = target;
  }
  return at;
}

/**
 * What a shell may put in place of the last word. Flags are for who begins one: without a proposal the shell offers
 * files, which a word that is not begun yet most often is.
 */
export async function completions(
  application: Application<Context>,
  routes: RouteMap<Context>,
  words: readonly string[],
  context: Context,
): Promise<Proposal[]> {
  const begun = words.at(-1) ?? '';
  const found = new Map<string, string>();
  // Of routes with a default command the library proposes what that takes, and no routes.
  for (const { name, target, hidden } of routesAt(routes, words.slice(0, -1))?.getAllEntries() ?? []) {
    const word = name['convert-camel-to-kebab'];
    if (!hidden && word.startsWith(begun)) found.set(word, target.brief);
  }
  for (const { completion, brief } of await proposeCompletions(application, words, context)) {
    if (completion.startsWith('-') && !begun.startsWith('-')) continue;
    if (!found.has(completion)) found.set(completion, brief ?? '');
  }
  return [...found].map(([completion, brief]) => ({ completion, brief }));
}

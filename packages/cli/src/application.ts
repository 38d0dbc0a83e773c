import { exitCodes } from '@kairos/facts/errors';
import { version } from '@kairos/facts/version';
import {
  buildApplication,
  buildRouteMap,
  type CommandContext,
  type RouteMap,
  type RouteMapBuilderArguments,
  run,
  text_en,
} from '@stricli/core';
import { completions } from './completion.ts';
import { colourWanted, errorAsJson, exitCodeOf, formatError } from './output.ts';

/** What commands are given: the streams, and where they leave an exit code that is not a failure thrown. */
export interface Context extends CommandContext {
  readonly process: {
    readonly stdout: NodeJS.WriteStream;
    readonly stderr: NodeJS.WriteStream;
    readonly env: Readonly<Record<string, string | undefined>>;
    exitCode?: number | string | null;
  };
}

/** A route map of this program. */
export const routeMap = (parts: RouteMapBuilderArguments<string, Context>): RouteMap<Context> =>
  buildRouteMap<string, Context>(parts);

/** Runs a route map as a program; gives the exit code. */
export async function runApplication(
  name: string,
  routes: RouteMap<Context>,
  args: readonly string[],
): Promise<number> {
  const asJson = args.includes('--json');
  let thrown: unknown;
  const application = buildApplication(routes, {
    name,
    versionInfo: { currentVersion: version },
    scanner: { caseStyle: 'allow-kebab-for-camel', allowArgumentEscapeSequence: true },
    documentation: {
      caseStyle: 'convert-camel-to-kebab',
      useAliasInUsageLine: true,
      // Standard error is a terminal too where a program drives one.
      disableAnsiColor: asJson,
    },
    determineExitCode(error) {
      thrown = error;
      return exitCodeOf(error);
    },
    localization: {
      text: {
        ...text_en,
        exceptionWhileRunningCommand: (error) =>
          asJson
            ? JSON.stringify({ error: errorAsJson(error) })
            : formatError(error, {
                colour: colourWanted(process.stderr, process.env),
                debug: Boolean(process.env.KAIROS_DEBUG),
              }),
      },
    },
  });
  const own: Context['process'] = {
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
  };
  const context: Context = { process: own };
  const [first, ...words] = args;
  if (first === '__complete') {
    for (const { completion, brief } of await completions(application, routes, words, context)) {
      process.stdout.write(`${completion}\t${brief}\n`);
    }
    return 0;
  }
  await run(application, args.length === 0 ? ['--help'] : args, context);
  const code = Number(own.exitCode ?? 0);
  // The library tells wrong usage by codes of its own, which a process shows as numbers above 250.
  return thrown === undefined && (code < 0 || code > 250) ? exitCodes.usage : code;
}

import type { Host, RunOptions, RunResult } from '@kairos/host/host';
import type { StageFacts } from './facts.ts';
import type { Field } from './field.ts';
import type { ProblemSink } from './problem.ts';
import type { Change } from './recording-host.ts';

/** Unpacks an OCI image, given by reference, layout or archive, into a directory. */
export type ImageUnpacker = (
  source: string,
  target: string,
  options: { readonly platform?: string },
) => Promise<void>;

/** As `fetch`; a parameter so that tests answer themselves. */
export type Fetch = (url: string, options?: RequestInit) => Promise<Response>;

/** Go text/template, as `renderTemplate` of the config package. */
export type TemplateRenderer = (
  text: string,
  data: unknown,
  options: {
    readonly file: string;
    readonly origin?: { readonly line: number; readonly column: number; readonly indent?: number };
  },
) => string;

/** What the engine needs from outside besides the host. */
export interface StageServices {
  readonly fetch: Fetch;
  readonly render: TemplateRenderer;
  /** Waits between attempts. */
  readonly delay: (milliseconds: number) => Promise<void>;
  readonly unpackImage: ImageUnpacker;
  /** Where metadata services answer, by provider, instead of at their well-known addresses. */
  readonly metadataServers?: Readonly<Record<string, string>>;
}

/** What a module works with. */
export interface ModuleContext {
  /** Notes every change; in a dry run it makes none. */
  readonly host: Host;
  readonly facts: StageFacts;
  readonly dryRun: boolean;
  readonly services: StageServices;
  readonly report: ProblemSink;
  /**
   * Runs a program that changes nothing, so that it also runs in a dry run.
   * @throws KairosError as `Host.run`
   */
  query(argv: readonly [string, ...string[]], options?: RunOptions): Promise<RunResult>;
  /**
   * The text of a field with its template filled in. Without `{{` the text is taken as it is.
   * @throws KairosError with the position of the fault
   */
  render(field: Field): string | undefined;
  /** Fills in a text that stands at a field (decoded content). */
  renderText(text: string, field: Field): string;
  /** Does one part of a step: what it throws is reported at the field, and the next part goes on. */
  attempt(field: Field, action: () => void | Promise<void>): Promise<boolean>;
  /** Lists a change that does not go through the host. */
  note(change: Change): void;
  /** Output of programs, for the log. */
  log(line: string): void;
}

/** Carries out the value of a module's key; `keys` are all the keys of the step. */
export type StageModule = (
  field: Field,
  context: ModuleContext,
  keys: ReadonlyMap<string, Field>,
) => void | Promise<void>;

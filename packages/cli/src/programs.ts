/** Programs of the executable, with the short word by which `kairos <word>` calls each. */
export const programs = {
  'kairos-agent': 'agent',
  immucore: 'immucore',
} as const;

export type ProgramName = keyof typeof programs;

export interface Call {
  /** `undefined` for `kairos` itself. */
  readonly program: ProgramName | undefined;
  readonly args: readonly string[];
}

/**
 * Decides which program a call means: by the name that the executable was called by, else by its first argument,
 * which may be the program's whole or short name.
 */
export function programOf(calledAs: string, args: readonly string[]): Call {
  for (const [name, word] of Object.entries(programs) as [ProgramName, string][]) {
    if (calledAs === name) return { program: name, args };
    if (args[0] === name || args[0] === word) return { program: name, args: args.slice(1) };
  }
  return { program: undefined, args };
}

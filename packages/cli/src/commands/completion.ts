import { buildCommand } from '@stricli/core';
import type { Context } from '../application.ts';

const programs = ['kairos', 'kairos-agent'];

const scripts = {
  bash: (name: string) => `_${name.replaceAll('-', '_')}_complete() {
  local IFS=$'\\n'
  COMPREPLY=($(${name} __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
}
complete -o default -F _${name.replaceAll('-', '_')}_complete ${name}
`,
  zsh: (name: string) => `_${name.replaceAll('-', '_')}_complete() {
  local -a proposals
  proposals=("\${(@f)$(${name} __complete "\${(@)words[2,CURRENT]}" 2>/dev/null | sed 's/:/\\\\:/g; s/\\t/:/')}")
  _describe '${name}' proposals || _files
}
compdef _${name.replaceAll('-', '_')}_complete ${name}
`,
  fish: (name: string) =>
    `complete -c ${name} -a '(${name} __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'\n`,
} as const;

type Shell = keyof typeof scripts;
const shells = Object.keys(scripts) as Shell[];

/** The completion script of a shell, for `eval` in its start file. */
export function completionScript(shell: Shell): string {
  return programs.map((name) => scripts[shell](name)).join('');
}

export const completionCommand = buildCommand<Record<never, never>, [Shell], Context>({
  docs: { brief: 'Print the completion script of a shell, for: eval "$(kairos completion bash)"' },
  parameters: {
    flags: {},
    positional: {
      kind: 'tuple',
      parameters: [
        {
          brief: shells.join(', '),
          placeholder: 'shell',
          parse: (text) => {
            if (shells.includes(text as Shell)) return text as Shell;
            throw new Error(`expected one of ${shells.join(', ')}`);
          },
          proposeCompletions: (partial) => shells.filter((shell) => shell.startsWith(partial)),
        },
      ],
    },
  },
  func(_flags, shell) {
    this.process.stdout.write(completionScript(shell));
  },
});

import { reasonOf } from '@kairos/facts/errors';
import { exitCodeOf, formatError } from './output.ts';
import type { ProgramName } from './programs.ts';

/** Runs a program of the executable; gives its exit code. Each program's code is loaded only here. */
export async function run(program: ProgramName | undefined, args: readonly string[]): Promise<number> {
  // Set by the initrd and by units for this process alone, which has read it; not for what it starts.
  delete process.env.BUN_JSC_useDFGJIT;
  delete process.env.BUN_JSC_useBaselineJIT;
  try {
    if (program === 'immucore') {
      const [{ immucore }, { machineHost }, { runBootStage }] = await Promise.all([
        import('@kairos/immucore/main'),
        import('@kairos/host/machine'),
        import('./stage-runner.ts'),
      ]);
      return await immucore(machineHost(), args, runBootStage);
    }
    const { runApplication } = await import('./application.ts');
    if (program === 'kairos-agent') {
      const { agentRoutes } = await import('./commands/agent.ts');
      return await runApplication('kairos-agent', agentRoutes, args);
    }
    const { kairosRoutes } = await import('./commands/kairos.ts');
    return await runApplication('kairos', kairosRoutes, args);
  } catch (error) {
    process.stderr.write(`${formatError(error, { debug: Boolean(process.env.KAIROS_DEBUG) })}\n`);
    if (!(error instanceof Error)) process.stderr.write(`${reasonOf(error)}\n`);
    return exitCodeOf(error);
  }
}

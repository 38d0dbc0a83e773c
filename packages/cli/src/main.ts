import { writeSync } from 'node:fs';
import { basename } from 'node:path';
import { version } from '@kairos/facts/version';
import { programOf } from './programs.ts';

const name = basename(process.argv0);
const given = process.argv.slice(2);
const { program, args } = programOf(name, given);

// The commonest question is answered before anything else is loaded.
if (args.length === 1 && (args[0] === '--version' || args[0] === '-v' || args[0] === 'version')) {
  try {
    // A plain write: setting up process.stdout costs more than all the rest of the start.
    // The agent's verb is for scripts and says the version alone.
    const isVerb = program === 'kairos-agent' && args[0] === 'version';
    writeSync(1, isVerb ? `${version}\n` : `${program ?? 'kairos'} ${version}\n`);
  } catch (error) {
    const { exitCodeOfWrite } = await import('./output-errors.ts');
    process.exitCode = exitCodeOfWrite(error, process.stderr);
  }
} else {
  const [{ run }, { exitCodes }] = await Promise.all([import('./run.ts'), import('@kairos/facts/errors')]);
  let code: number;
  if (program === 'immucore') code = await run(program, args);
  else {
    const { hearOutputErrors } = await import('./output-errors.ts');
    const written = hearOutputErrors(process.stdout, process.stderr);
    code = await written(await run(program, args));
  }
  // What was stopped may go on in a thread for a while; nobody waits for that.
  if (code === exitCodes.interrupted) process.exit(code);
  process.exitCode = code;
}

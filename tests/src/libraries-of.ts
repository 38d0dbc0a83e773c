import { run } from './run-tool.ts';

/** Paths of the libraries that a program is linked with, as `ldd` says. */
export function librariesOf(program: string): string[] {
  return [...run('ldd', program).matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, path]) => path as string);
}

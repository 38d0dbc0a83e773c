/**
 * Runs a program of the machine to its end, in the C locale and UTC; gives what it wrote to standard output.
 * @throws Error with all that it wrote, where it does not exit with 0
 */
export function run(...argv: [string, ...string[]]): string {
  const { exitCode, stdout, stderr } = Bun.spawnSync(argv, {
    env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
  });
  if (exitCode !== 0) throw new Error(`${argv.join(' ')} exited with ${exitCode}: ${stdout}${stderr}`);
  return stdout.toString();
}

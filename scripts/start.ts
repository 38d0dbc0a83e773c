/**
 * The whole path, for someone who has just cloned: `npm start`. Debian root → OS image → ISO → unattended installation
 * in a virtual machine → the installed system, with proofs. `npm start -- login` boots the machine again and connects
 * this terminal to its console. What has not changed since the last run is not made again.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { probeAccelerator } from '../tests/src/accelerator.ts';
import { Machine } from '../tests/src/qemu.ts';
import { digestOf, unlessDone } from '../tests/src/reuse.ts';
import {
  emptyDisk,
  installUnattended,
  loginAsRoot,
  testUser,
  unattendedConfig,
} from '../tests/src/scenario.ts';
import { buildExecutable, hostTarget } from './build.ts';
import { root } from './runtimes.ts';

const work = join(root, '.work/start');
const image = join(work, 'image');
const iso = join(work, 'kairos.iso');
const disk = join(work, 'disk.raw');
const started = performance.now();
const phases: { name: string; seconds: number; reused: boolean }[] = [];
const isTerminal = process.stdout.isTTY === true;

function say(message: string): void {
  const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(6);
  process.stdout.write(`${seconds} s  ${message}\n`);
}

function fail(message: string, code = 1): never {
  process.stderr.write(`error: ${message}\n`);
  process.exit(code);
}

async function phase<T>(name: string, action: () => Promise<T>): Promise<T> {
  say(name);
  const began = performance.now();
  const result = await action();
  phases.push({ name, seconds: (performance.now() - began) / 1000, reused: false });
  return result;
}

/** A phase that is skipped when its inputs are those of the last time. */
async function reusable(
  name: string,
  inputs: readonly string[],
  output: string,
  action: () => Promise<void>,
) {
  if (await unlessDone(output, inputs, () => phase(name, action))) return;
  say(`${name}: unchanged`);
  phases.push({ name, seconds: 0, reused: true });
}

async function run(command: string[]): Promise<void> {
  const child = Bun.spawn(command, { cwd: root, stdin: 'ignore', stdout: 'pipe', stderr: 'inherit' });
  const [output, code] = await Promise.all([new Response(child.stdout).text(), child.exited]);
  if (code !== 0) fail(`${command.join(' ')} exited with ${code}${output ? `:\n${output}` : ''}`, code);
}

if (process.getuid?.() !== 0) {
  fail('building an OS image from Debian packages needs root: sudo npm start', 16);
}
const wish = process.argv.slice(2).join(' ');
if (!['', 'login'].includes(wish)) {
  fail(`npm start -- ${wish}: there is no such part; it is login, or none for the whole path`, 2);
}
mkdirSync(work, { recursive: true });

if (wish === 'login') {
  if (!existsSync(disk)) fail('there is no machine yet: npm start makes it', 11);
  const machine = Machine.start({
    name: 'start-login',
    accelerator: await probeAccelerator(join(work, 'vmlinuz')),
    disks: [{ path: disk }],
    ssh: true,
  });
  say(
    `user ${testUser.name}, password ${testUser.password}; ssh -p ${machine.sshPort} ${testUser.name}@127.0.0.1`,
  );
  say('Ctrl-] ends the machine');
  process.stdin.setRawMode?.(true);
  process.stdin.on('data', (data: Buffer) => {
    if (data.includes(0x1d)) void machine.stop();
    else machine.console.send(data.toString());
  });
  machine.console.listen((text) => process.stdout.write(text));
  await machine.exited;
  process.exit(0);
}

const executable = await phase('Building the executable', () => buildExecutable(hostTarget()));
await reusable('Building the OS image from Debian 13', [digestOf(executable)], image, () =>
  run([executable, 'build', 'image', 'debian:13', '--output', image, '--executable', executable]),
);
const config = unattendedConfig();
writeFileSync(join(work, 'config.yaml'), config);
const index = readFileSync(join(image, 'index.json'), 'utf8');
await reusable('Making the ISO', [index, config, digestOf(executable)], iso, () =>
  run([executable, 'build', 'iso', image, '--output', iso, '--cloud-config', join(work, 'config.yaml')]),
);

const kernel = join(work, 'vmlinuz');
await run([executable, 'image', 'extract', image, 'vmlinuz', '--output', kernel]);
const accelerator = await probeAccelerator(kernel);
say(
  `Virtual machines run on ${accelerator.name === 'kvm' ? 'KVM' : 'emulation: /dev/kvm cannot run a guest here'}`,
);

await emptyDisk(disk, 16);
const machine = await phase('Installing from the ISO onto an empty disk', () =>
  installUnattended({ name: 'start', accelerator, cdrom: iso, disks: [{ path: disk }], ssh: true }, (what) =>
    say(`  ${what}`),
  ),
);
try {
  await phase('Booting from the disk', () => loginAsRoot(machine.console, { timeout: 600_000 }));
  const shell = machine.console;
  await phase('Proving that the root is immutable', async () => {
    const proofs: readonly (readonly [string, string, RegExp, boolean])[] = [
      ['the root is read-only', 'touch /proof', /Read-only file system/, false],
      ['so is /usr', 'touch /usr/bin/proof', /Read-only file system/, false],
      ['dm-verity guards it', 'dmsetup table kairos-root', /verity/, true],
      ['/etc takes changes until the reboot', 'echo now > /etc/proof && cat /etc/proof', /now/, true],
      ['/usr/local keeps them', 'echo kept > /usr/local/proof && sync && cat /usr/local/proof', /kept/, true],
    ];
    for (const [what, command, pattern, succeeds] of proofs) {
      const { output, code } = await shell.run(command);
      if ((code === 0) !== succeeds || !pattern.test(output))
        fail(`${what}: ${command} gave ${code}: ${output}`);
      say(`  ${what}: ${output.split('\n')[0]}`);
    }
  });
  await phase('Rebooting', async () => {
    shell.send('systemctl reboot\n');
    await loginAsRoot(shell, { timeout: 600_000 });
  });
  const after = await shell.run('ls /etc/proof; cat /usr/local/proof');
  if (!/No such file/.test(after.output) || !/kept/.test(after.output))
    fail(`after the reboot: ${after.output}`);
  say('  after the reboot the change in /etc is gone and the one in /usr/local is there');
  const state = await shell.ok('kairos-agent state');
  process.stdout.write(`\n${state}\n\n`);
  shell.send('systemctl poweroff\n');
  await machine.ended();
} finally {
  await machine.stop();
}

for (const { name, seconds, reused } of phases) {
  process.stdout.write(`${reused ? '  reused' : `${seconds.toFixed(1).padStart(6)} s`}  ${name}\n`);
}
process.stdout.write(
  `\nThe machine is ${disk.slice(root.length + 1)}. Log in to it with: npm start -- login\n` +
    `  user ${testUser.name}, password ${testUser.password}\n`,
);
if (isTerminal) process.stdout.write('\n');
process.exit(0);

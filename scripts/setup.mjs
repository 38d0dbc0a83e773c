/**
 * Makes a fresh machine ready: Node's packages (Bun among them), then Debian packages. Plain JavaScript, because it
 * runs before anything is installed. Installs only what is missing.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const missingTool = 14;

function fail(message, code) {
  process.stderr.write(`${message}\n`);
  process.exit(code);
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], ...options });
  if (result.error) fail(`Cannot run ${command}: ${result.error.message}`, missingTool);
  if (result.status !== 0) fail(`${command} ${args.join(' ')} exited with ${result.status}`, 1);
}

if (Number(process.versions.node.split('.')[0]) < 20) {
  fail(`Node 20 or newer is needed, this is ${process.versions.node}`, missingTool);
}

const lock = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex');
const stamp = join(root, 'node_modules/.kairos-setup');
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== lock) {
  process.stdout.write('Installing packages from the npm registry\n');
  run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, lock);
}

const groups = JSON.parse(readFileSync(join(root, 'scripts/debian-packages.json'), 'utf8'));
const wanted = Object.values(groups).flat();
const query = spawnSync(
  'dpkg-query',
  ['--show', '--showformat=${Package} ${db:Status-Status}\n', ...wanted],
  {
    encoding: 'utf8',
  },
);
if (query.error) fail('This set-up knows Debian and Ubuntu only: dpkg-query is missing', missingTool);
const installed = new Set(
  query.stdout
    .split('\n')
    .filter((line) => line.endsWith(' installed'))
    .map((line) => line.split(' ')[0]),
);
const missing = wanted.filter((name) => !installed.has(name));
if (missing.length > 0) {
  const line = `apt-get install --yes --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid() !== 0)
    fail(`Debian packages are missing. Run this, then try again:\n\n  sudo ${line}\n`, missingTool);
  process.stdout.write(`Installing Debian packages: ${missing.join(' ')}\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '-q=2'], { env });
  run('apt-get', ['install', '--yes', '-q=2', '--no-install-recommends', ...missing], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/**
 * Time to collect, merge and validate 200 cloud-configs of 1 MB in all, the start of the process included, beside the
 * start of the process alone, in one run. `bun bench/config.ts` after `bun run build --host`.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const runs = 15;
const files = 200;
const wanted = 150;
const executable = join(import.meta.dir, '../dist/kairos');
const folder = mkdtempSync(join(tmpdir(), 'bench-config-'));

/** A file as operators write them, about 5 kB: users, files with contents, commands with conditions. */
function document(index: number): string {
  const step = (n: number) => `    - name: step ${index}-${n}
      if: '[ -e /run/cos/active_mode ]'
      files:
        - path: /etc/example/${index}-${n}.conf
          permissions: 0644
          owner: 0
          group: 0
          content: |
${Array.from({ length: 12 }, (_, line) => `            option_${line} = value of option ${line} in file ${index}`).join('\n')}
      commands:
        - echo step ${n}
        - systemctl restart example-${index}.service
`;
  return `#cloud-config
name: example ${index}
users:
  - name: user${index}
    groups: [admin]
    ssh_authorized_keys: [github:user${index}]
stages:
  initramfs:
${[0, 1, 2].map(step).join('')}  boot:
${[3, 4].map(step).join('')}`;
}

try {
  let bytes = 0;
  for (let index = 0; index < files; index++) {
    const text = document(index);
    bytes += text.length;
    writeFileSync(join(folder, `${String(index).padStart(3, '0')}.yaml`), text);
  }
  const once = (command: string[]) => {
    const started = performance.now();
    const { exitCode, stderr, resourceUsage } = Bun.spawnSync(command, { stdout: 'ignore', stderr: 'pipe' });
    if (exitCode !== 0) throw new Error(`${command.join(' ')} exited with ${exitCode}: ${stderr}`);
    // Time of the processor is what a busy machine does not change much.
    return { wall: performance.now() - started, cpu: Number(resourceUsage?.cpuTime.total ?? 0) / 1000 };
  };
  const validate = [executable, 'agent', 'validate', folder];
  const start = [executable, 'agent', '--version'];
  once(validate);
  const times: { wall: number; cpu: number }[] = [];
  const starts: { wall: number; cpu: number }[] = [];
  for (let run = 0; run < runs; run++) {
    times.push(once(validate));
    starts.push(once(start));
  }
  const median = (values: number[]) =>
    values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
  console.log(`${files} files, ${(bytes / 1e6).toFixed(2)} MB`);
  const row = (name: string, measured: readonly { wall: number; cpu: number }[]) => {
    const walls = measured.map(({ wall }) => wall);
    const cpus = measured.map(({ cpu }) => cpu);
    console.log(
      `${name.padEnd(14)} median ${median(walls).toFixed(0)} ms, best ${Math.min(...walls).toFixed(0)} ms, of processor time ${median(cpus).toFixed(0)} ms`,
    );
    return median(walls);
  };
  row('process start', starts);
  const took = row('validate', times);
  console.log(`${took <= wanted ? 'within' : 'OVER'} ${wanted} ms`);
  process.exitCode = took <= wanted ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

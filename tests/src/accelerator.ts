import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How guests are run. */
export interface Accelerator {
  readonly name: 'kvm' | 'tcg';
  readonly arguments: readonly string[];
}

/**
 * Under QEMU 7.2's emulation a guest that sees AVX crashes now and then in early boot, with Nehalem it never did;
 * two virtual processors on one thread each keep both of the machine's cores in use. A processor of AMD's needs no page table
 * isolation, whose changes of page tables at every system call cost emulation a quarter of its time.
 */
const emulation: Accelerator = {
  name: 'tcg',
  arguments: ['-accel', 'tcg,thread=multi,tb-size=512', '-cpu', 'Nehalem,+rdrand,vendor=AuthenticAMD'],
};
const hardware: Accelerator = { name: 'kvm', arguments: ['-accel', 'kvm', '-cpu', 'host'] };

/** A working KVM brings a kernel to its init in well under this time. */
const probeMilliseconds = 8_000;

/**
 * `/dev/kvm` may exist and yet be unable to run a guest, so a kernel is booted once with an init that says one word.
 */
export async function probeAccelerator(kernel: string): Promise<Accelerator> {
  if (!existsSync('/dev/kvm')) return emulation;
  const work = mkdtempSync(join(tmpdir(), 'kvm-probe-'));
  try {
    const tree = join(work, 'tree');
    mkdirSync(join(tree, 'bin'), { recursive: true });
    cpSync('/bin/busybox', join(tree, 'bin/busybox'));
    writeFileSync(join(tree, 'init'), '#!/bin/busybox sh\necho kvm-works\n/bin/busybox poweroff -f\n');
    chmodSync(join(tree, 'init'), 0o755);
    const archive = Bun.spawnSync(['cpio', '--quiet', '-o', '-H', 'newc'], {
      cwd: tree,
      stdin: Buffer.from('.\nbin\nbin/busybox\ninit\n'),
    });
    writeFileSync(join(work, 'initrd'), archive.stdout);
    const child = Bun.spawn(
      [
        'qemu-system-x86_64',
        ...hardware.arguments,
        ...['-machine', 'q35', '-m', '256', '-display', 'none', '-monitor', 'none', '-no-reboot'],
        ...['-serial', 'stdio', '-kernel', kernel, '-initrd', join(work, 'initrd')],
        ...['-append', 'console=ttyS0 panic=-1'],
      ],
      { stdin: 'ignore', stdout: 'pipe', stderr: 'ignore' },
    );
    const timer = setTimeout(() => child.kill('SIGKILL'), probeMilliseconds);
    const output = await new Response(child.stdout).text();
    clearTimeout(timer);
    await child.exited;
    return output.includes('kvm-works') ? hardware : emulation;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

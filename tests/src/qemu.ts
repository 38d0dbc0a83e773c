import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Accelerator } from './accelerator.ts';
import { SerialConsole } from './console.ts';

export type DiskInterface = 'virtio' | 'sata' | 'nvme' | 'usb' | 'scsi' | 'sd';

export interface MachineDisk {
  readonly path: string;
  readonly format?: 'raw' | 'qcow2';
  /** Default virtio. */
  readonly interface?: DiskInterface;
  /** Writes are kept in memory and lost with the machine. */
  readonly snapshot?: boolean;
  readonly readOnly?: boolean;
  /** Every write with its flushes goes to this file in the dm-log-writes format (`blklogwrites`). */
  readonly writeLog?: string;
}

export interface MachineOptions {
  /** For the console log and messages. */
  readonly name: string;
  readonly accelerator: Accelerator;
  /** SeaBIOS, OVMF, or OVMF that starts only what Microsoft's keys vouch for (Secure Boot). Default `bios`. */
  readonly firmware?: 'bios' | 'uefi' | 'uefi-secure';
  readonly disks?: readonly MachineDisk[];
  readonly cdrom?: string;
  /** MiB. Default 2048. */
  readonly memory?: number;
  /**
   * Virtual processors. Default 2; one where they are emulated: with two, OVMF once did not come back from a restart, and
   * a kernel that changes its own code was once met by the other processor half-way (an oops of kind int3).
   */
  readonly processors?: number;
  /** Boots this kernel at once, without firmware's boot order. */
  readonly kernel?: { readonly path: string; readonly initrd?: string; readonly commandLine: string };
  /** Forwards a free port on loopback to the guest's port 22. */
  readonly ssh?: boolean;
  /**
   * A file that answers every connection to 10.0.2.100, port 80: a whole HTTP response. The machine has no other way
   * out.
   */
  readonly webAnswer?: string;
  /**
   * `127.0.0.1:port` of a server on this machine, such as a registry, that the guest reaches as 10.0.2.100, port 5000. The
   * machine has no other way out.
   */
  readonly server?: string;
  /** Forwards a free port on loopback to this port of the guest. */
  readonly forward?: number;
  /** The machine ends where a guest would reboot. Default: it reboots. */
  readonly noReboot?: boolean;
  /**
   * Watchdogs in hardware that reset the machine: `tco` of the chipset, as on most machines with an Intel processor, or
   * `i6300esb` on the PCI bus. Default: that of the chipset counts, and resets nothing.
   */
  readonly watchdog?: 'tco' | 'i6300esb';
  /** Kept UEFI variables; made from OVMF's template on first use. */
  readonly variables?: string;
  readonly extraArguments?: readonly string[];
}

/** Code of OVMF and the variables that it begins with, as Debian names them. */
const firmwareFiles = {
  uefi: [
    ['OVMF_CODE_4M.fd', 'OVMF_VARS_4M.fd'],
    ['OVMF_CODE.fd', 'OVMF_VARS.fd'],
  ],
  'uefi-secure': [['OVMF_CODE_4M.secboot.fd', 'OVMF_VARS_4M.ms.fd']],
} as const;

/** Arguments for a firmware; with UEFI, `variables` are made from OVMF's where they are not there yet. */
function firmwareArguments(firmware: 'uefi' | 'uefi-secure', variables: string): string[] {
  const [code, template] =
    firmwareFiles[firmware]
      .map((names) => names.map((name) => join('/usr/share/OVMF', name)))
      .find((files) => files.every((file) => existsSync(file))) ?? [];
  if (!code || !template) throw new Error(`OVMF (${firmware}) is not installed`);
  if (!existsSync(variables)) copyFileSync(template, variables);
  return [
    // Only code in system management mode may change the variables, or Secure Boot would mean nothing.
    ...(firmware === 'uefi-secure'
      ? ['-machine', 'smm=on', '-global', 'driver=cfi.pflash01,property=secure,value=on']
      : []),
    ...['-drive', `if=pflash,format=raw,unit=0,readonly=on,file=${code}`],
    ...['-drive', `if=pflash,format=raw,unit=1,file=${variables}`],
  ];
}

function diskArguments(disk: MachineDisk, index: number): string[] {
  const id = `disk${index}`;
  const format = disk.format ?? 'raw';
  const flags = `${disk.snapshot ? ',snapshot=on' : ''}${disk.readOnly ? ',readonly=on' : ''}`;
  const drive = disk.writeLog
    ? [
        ...['-blockdev', `driver=file,node-name=${id}-file,filename=${disk.path},cache.no-flush=on`],
        ...['-blockdev', `driver=file,node-name=${id}-log,filename=${disk.writeLog},cache.no-flush=on`],
        '-blockdev',
        `driver=blklogwrites,node-name=${id},file.driver=${format},file.file=${id}-file,log=${id}-log,log-sector-size=512`,
      ]
    : ['-drive', `if=none,id=${id},file=${disk.path},format=${format},cache=unsafe${flags}`];
  // Merged requests reach the most pieces that the host takes at once, and blklogwrites adds two: the guest gets EIO.
  const merging = disk.writeLog ? ',request-merging=off' : '';
  const serial = `serial=kairos${index}`;
  const device = {
    virtio: ['-device', `virtio-blk-pci,drive=${id},${serial},bootindex=${index + 1}${merging}`],
    sata: [
      ...['-device', `ahci,id=ahci${index}`],
      ...['-device', `ide-hd,bus=ahci${index}.0,drive=${id},bootindex=${index + 1}`],
    ],
    nvme: ['-device', `nvme,drive=${id},${serial},bootindex=${index + 1}`],
    usb: [
      ...['-device', `qemu-xhci,id=xhci${index}`],
      ...['-device', `usb-storage,bus=xhci${index}.0,drive=${id},bootindex=${index + 1}`],
    ],
    scsi: [
      ...['-device', `virtio-scsi-pci,id=scsi${index}`],
      ...['-device', `scsi-hd,bus=scsi${index}.0,drive=${id},bootindex=${index + 1}`],
    ],
    sd: [...['-device', `sdhci-pci,id=sd${index}`], ...['-device', `sd-card,drive=${id}`]],
  } as const;
  return [...drive, ...device[disk.interface ?? 'virtio']];
}

/** A port on loopback that nothing listens on. */
function freePort(): number {
  const server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } });
  const { port } = server;
  server.stop(true);
  return port;
}

/** A virtual machine. It ends with {@link Machine.stop}, which every test calls; `using` does it too. */
export class Machine implements AsyncDisposable {
  readonly console: SerialConsole;
  readonly sshPort: number | undefined;
  readonly forwardedPort: number | undefined;
  /** Resolves when the machine has ended, by itself or by us. */
  readonly exited: Promise<number>;

  private constructor(
    readonly options: MachineOptions,
    private readonly child: Bun.Subprocess<'pipe', 'pipe', 'pipe'>,
    private readonly work: string,
    readonly log: string,
    sshPort: number | undefined,
    forwardedPort: number | undefined,
  ) {
    this.sshPort = sshPort;
    this.forwardedPort = forwardedPort;
    const serial = new SerialConsole((text) => {
      child.stdin.write(text);
      child.stdin.flush();
    }, log);
    serial.diagnose = async () => {
      const monitor = (line: string) => this.qmp('human-monitor-command', { 'command-line': line });
      const registers = String(await monitor('info registers -a'));
      const places = registers.split('\n').filter((line) => /^CPU#|RIP=|^EIP=/.test(line));
      return `${await monitor('info status')}${places.join('\n')}`;
    };
    this.console = serial;
    const decoder = new TextDecoder();
    const reading = (async () => {
      for await (const chunk of child.stdout) serial.receive(decoder.decode(chunk, { stream: true }));
    })();
    let complaint = '';
    const complaining = (async () => {
      for await (const chunk of child.stderr) complaint += decoder.decode(chunk);
    })();
    this.exited = (async () => {
      const code = await child.exited;
      await Promise.all([reading, complaining]);
      serial.close(`${options.name} ended with ${code}${complaint ? ` (${complaint.trim()})` : ''}`);
      rmSync(work, { recursive: true, force: true });
      return code;
    })();
  }

  static start(options: MachineOptions): Machine {
    const work = mkdtempSync(join(tmpdir(), 'qemu-'));
    const logs = join(import.meta.dir, '../../.work/console');
    mkdirSync(logs, { recursive: true });
    const log = join(logs, `${options.name}.log`);
    rmSync(log, { force: true });
    const sshPort = options.ssh ? freePort() : undefined;
    const forwardedPort = options.forward === undefined ? undefined : freePort();
    const forwards = [
      ...(sshPort === undefined ? [] : [`,hostfwd=tcp:127.0.0.1:${sshPort}-:22`]),
      ...(forwardedPort === undefined ? [] : [`,hostfwd=tcp:127.0.0.1:${forwardedPort}-:${options.forward}`]),
      ...(options.webAnswer === undefined
        ? []
        : [`,guestfwd=tcp:10.0.2.100:80-cmd:cat ${options.webAnswer}`]),
      // A process for each connection: QEMU's own forwarding to a port is one connection in all.
      ...(options.server === undefined
        ? []
        : [`,guestfwd=tcp:10.0.2.100:5000-cmd:busybox nc ${options.server.replace(':', ' ')}`]),
    ].join('');
    const { firmware = 'bios' } = options;
    const processors = options.processors ?? (options.accelerator.name === 'tcg' ? 1 : 2);
    const command = [
      'qemu-system-x86_64',
      ...options.accelerator.arguments,
      // What no test has a use for costs a start seconds of looking for its drivers, such as an empty CD drive.
      ...[
        '-nodefaults',
        '-machine',
        `q35,usb=off,smbus=off${options.cdrom === undefined ? ',sata=off' : ''}`,
      ],
      ...['-smp', String(processors), '-m', String(options.memory ?? 2048)],
      ...['-display', 'none', '-serial', 'stdio', '-vga', 'none'],
      ...['-qmp', `unix:${join(work, 'qmp')},server=on,wait=off`],
      ...['-object', 'rng-random,id=rng,filename=/dev/urandom', '-device', 'virtio-rng-pci,rng=rng'],
      ...['-device', 'virtio-net-pci,netdev=net,romfile=', '-netdev'],
      `user,id=net,restrict=on${forwards}`,
      ...(firmware === 'bios'
        ? []
        : firmwareArguments(firmware, options.variables ?? join(work, 'variables.fd'))),
      ...(options.cdrom === undefined
        ? []
        : [
            ...['-drive', `if=none,id=cd,file=${options.cdrom},format=raw,readonly=on,media=cdrom`],
            ...['-device', 'ide-cd,bus=ide.2,drive=cd,bootindex=50'],
          ]),
      ...(options.disks ?? []).flatMap(diskArguments),
      ...(options.kernel === undefined
        ? []
        : [
            ...['-kernel', options.kernel.path, '-append', options.kernel.commandLine],
            ...(options.kernel.initrd === undefined ? [] : ['-initrd', options.kernel.initrd]),
          ]),
      // The pin that keeps the chipset's watchdog from resetting; the default differs from version to version.
      ...['-global', `ICH9-LPC.noreboot=${options.watchdog === 'tco' ? 'off' : 'on'}`],
      ...(options.watchdog === 'i6300esb' ? ['-device', 'i6300esb'] : []),
      ...(options.noReboot ? ['-no-reboot'] : []),
      ...(options.extraArguments ?? []),
    ];
    const child = Bun.spawn(command, { stdin: 'pipe', stdout: 'pipe', stderr: 'pipe' });
    return new Machine(options, child, work, log, sshPort, forwardedPort);
  }

  /** Sends one command to QEMU's monitor protocol and gives its answer. */
  qmp(execute: string, parameters: Record<string, unknown> = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const socket = connect(join(this.work, 'qmp'));
      let text = '';
      socket.on('error', reject);
      socket.on('data', (data) => {
        text += data.toString();
        const lines = text.split('\n');
        text = lines.pop() ?? '';
        for (const line of lines) {
          const message = JSON.parse(line);
          if (message.QMP) {
            socket.write(`${JSON.stringify({ execute: 'qmp_capabilities', id: 'hello' })}\n`);
          } else if (message.id === 'hello') {
            socket.write(`${JSON.stringify({ execute, arguments: parameters, id: 'call' })}\n`);
          } else if (message.id === 'call') {
            socket.end();
            if (message.error) reject(new Error(`${execute}: ${message.error.desc}`));
            else resolve(message.return);
          }
        }
      });
    });
  }

  /** Processor time that the emulator has used so far, in seconds. */
  processorSeconds(): number {
    const [, fields = ''] = readFileSync(`/proc/${this.child.pid}/stat`, 'utf8').split(') ');
    // proc(5): utime and stime, in ticks of USER_HZ.
    const [user, system] = fields.split(' ').slice(11, 13).map(Number);
    return ((user ?? 0) + (system ?? 0)) / 100;
  }

  /** Ends the machine as a pulled plug does: the guest is told nothing. */
  async cutPower(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  /** Resets the machine as the button does. */
  async reset(): Promise<void> {
    await this.qmp('system_reset');
  }

  /** Waits until the guest has powered off by itself. */
  async ended(timeout = 180_000): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () =>
          reject(
            new Error(`${this.options.name} did not end within ${timeout / 1000} s; console: ${this.log}`),
          ),
        timeout,
      );
    });
    try {
      await Promise.race([this.exited, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async stop(): Promise<void> {
    await this.cutPower();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

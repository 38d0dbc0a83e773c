import { afterAll, beforeAll, expect, test } from 'bun:test';
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mediaTypes } from '@kairos/facts/media-types';
import { readWhole, sha256Of } from '@kairos/oci/digest';
import { createLayout } from '@kairos/oci/layout-writer';
import { writeTar } from '@kairos/oci/tar-write';
import { guestAccelerator, imageLayout, kairos, slotFile, work } from '../src/images.ts';
import { Machine } from '../src/qemu.ts';
import { loginAsRoot, quickCommandLine, testUser } from '../src/scenario.ts';

const disk = join(work, 'cloud-config.raw');
const second = join(work, 'cloud-config-second.raw');
const drive = join(work, 'cloud-config-drive.iso');
const answer = join(work, 'cloud-config-answer');
const layout = join(work, 'cloud-config-image');
const made = [disk, second, drive, answer, layout];
afterAll(() => {
  for (const path of made) rmSync(path, { recursive: true, force: true });
});

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7g7mVn1yqk1Y2c0q2m7m8m0o3v3a3l3k3x3j3w3f3c test';

/** An OCI layout with one file, as tar in base64, for a node without a registry. */
async function imageArchive(): Promise<string> {
  const content = Buffer.from('from an image\n');
  const layer = await readWhole(
    writeTar([
      { path: 'name', type: 'file', mode: 0o644, modified: 0, uid: 0, gid: 0, size: content.length, content },
    ]),
    1 << 20,
    'tar',
  );
  const writer = createLayout(layout);
  const config = writer.putJson(
    { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [sha256Of(layer)] } },
    mediaTypes.config,
  );
  const blob = writer.putBlob(layer, mediaTypes.layer);
  writer.writeIndex([writer.putJson({ schemaVersion: 2, config, layers: [blob] }, mediaTypes.manifest)]);
  return execFileSync('tar', ['-C', layout, '-cz', '.']).toString('base64');
}

/** User data of the drive; its stage is over when the drive is read. */
const fromDrive = `#cloud-config
hostname: from-the-drive
stages:
  boot:
    - commands: ["echo boot >> /run/test/user-data"]`;

/** Every module that makes sense at a boot, and conditions that hold or do not. */
const configOf = (archive: string) => `#cloud-config
name: every module
hostname: node-{{ .MachineID | trunc 4 }}
config_url: http://10.0.2.100/{{ .Values.os.vendor }}
users:
  - name: fleet
    groups: [admin]
    lock_passwd: true
    ssh_authorized_keys:
      - ${key}
write_files:
  - path: /run/test/write_files
    permissions: "0640"
    owner: fleet
    content: written
runcmd:
  - [touch, "/run/test/run cmd"]
stages:
  rootfs.before:
    - name: first of all
      directories: [{ path: /run/test, permissions: 0755, owner: 0, group: 0 }]
      commands: ["date +%s%N > /run/test/order-1"]
  rootfs:
    - name: then this
      commands: ["date +%s%N > /run/test/order-2"]
  initramfs:
    - name: conditions that hold
      node: "."
      if: '[ -e /run/cos/active_mode ] && grep -q kairos.slot /proc/cmdline'
      if_files: { all: [/etc/kairos-release], none: [/nowhere] }
      only_os: Debian
      only_os_version: "^13"
      only_arch: amd64
      only_service_manager: systemd
      files: [{ path: /run/test/conditions, content: held }]
    - name: a condition that does not
      only_os: Alpine
      files: [{ path: /run/test/wrong, content: x }]
    - name: another
      if: '! grep -q kairos.slot /proc/cmdline'
      files: [{ path: /run/test/wrong, content: x }]
    - name: accounts
      ensure_entities:
        - entity: |
            kind: group
            group_name: testers
            password: x
            gid: 4242
            users: ""
        - entity: |
            kind: group
            group_name: leaver
            password: x
            gid: 4243
            users: ""
      delete_entities:
        - entity: |
            kind: group
            group_name: leaver
            gid: 4243
      users:
        # Before there is a prompt; those at the root come in stage boot.
        ${testUser.name}:
          passwd: ${testUser.password}
          groups: [admin]
        operator:
          uid: 4321
          groups: [testers]
          shell: /bin/bash
          lock_passwd: true
      authorized_keys:
        operator: ["${key}"]
    - name: files
      directories: [{ path: /etc/test, permissions: "0750", owner: 0, group: testers }]
      files:
        - path: /etc/test/plain
          permissions: 0600
          ownerstring: operator:testers
          content: |
            {{ .Values.os.vendor }} on {{ .Values.os.architecture }}
        - { path: /etc/test/packed, encoding: gz+b64, content: "${Buffer.from(Bun.gzipSync(Buffer.from('packed'))).toString('base64')}" }
        - { path: /run/test/image.tar.gz, encoding: b64, content: "${archive}" }
      commands:
        - mkdir /run/test/image && tar -C /run/test/image -xzf /run/test/image.tar.gz
      unpack_images: [{ source: "oci:/run/test/image", target: /run/test/unpacked }]
    - name: settings of the system
      sysctl: { vm.swappiness: 7 }
      modules: [dummy numdummies=2]
      timesyncd: { NTP: time.example }
      environment: { COLOUR: blue }
      environment_file: /etc/test/environment
      dns: { nameservers: [192.0.2.1], search: [example.org], path: /etc/test/resolv.conf }
      systemd_firstboot: { timezone: Europe/Rome, force: true }
      package_pins: { nano: "8.*" }
    - name: units
      files:
        - path: /etc/systemd/system/test-one.service
          content: |
            [Service]
            Type=oneshot
            RemainAfterExit=yes
            ExecStart=/bin/sh -c 'echo started > /run/test/service'
        - path: /etc/systemd/system/test-two.service
          content: |
            [Service]
            Type=oneshot
            RemainAfterExit=yes
            ExecStart=/bin/sh -c 'echo "$WORD" > /run/test/enabled'
            [Install]
            WantedBy=multi-user.target
      systemctl:
        enable: [test-two]
        mask: [apt-daily.timer]
        overrides: [{ service: test-two, name: word, content: "[Service]\\nEnvironment=WORD=overridden\\n" }]
  boot:
    - name: start
      systemctl: { start: [test-one] }
  network:
    # The kernel may find its disks in another order at each boot; by then udev has the names that stay.
    - name: a further disk
      layout:
        device: { path: /dev/disk/by-id/virtio-kairos1, init_disk: true, disk_name: data }
        add_partitions:
          - { fsLabel: DATA1, pLabel: data1, size: 64, filesystem: ext4 }
          - { fsLabel: DATA2, pLabel: data2, size: 0, filesystem: ext4 }
    # Not in stage boot: udev may still be loading the driver of the drive then.
    - name: the drive
      datasource: { providers: [cdrom], path: /run/test/drive }
    - name: from the network
      downloads: [{ url: "http://10.0.2.100/file", path: /run/test/downloaded, permissions: 0600 }]
`;

const broken = `#cloud-config
stages:
  initramfs:
    - name: fine
      files: [{ path: /run/test/broken, content: x }
  boot:
    - commands: [touch /run/test/broken]
`;
const mistaken = `#cloud-config
stages:
  boot:
    - name: mistakes
      comands: [touch /run/test/typo]
      files:
        - path: relative
        - path: /run/test/beside
          content: good
`;

/** Puts files on the OEM partition of a disk image, as someone with the disk in hand would. */
function putOnOem(files: Readonly<Record<string, string>>): void {
  const table = JSON.parse(execFileSync('sfdisk', ['--json', disk]).toString());
  const oem = table.partitiontable.partitions.find(({ name }: { name: string }) => name === 'oem');
  const image = join(work, 'cloud-config-oem');
  const copy = (...operands: string[]) =>
    execFileSync('dd', ['bs=512', `count=${oem.size}`, 'conv=notrunc', 'status=none', ...operands]);
  try {
    copy(`if=${disk}`, `skip=${oem.start}`, `of=${image}`);
    for (const [name, text] of Object.entries(files)) {
      const file = join(work, `cloud-config-${name}`);
      writeFileSync(file, text);
      execFileSync('debugfs', ['-w', '-R', `write ${file} ${name}`, image], { stdio: 'pipe' });
      rmSync(file);
    }
    copy(`if=${image}`, `seek=${oem.start}`, `of=${disk}`);
  } finally {
    rmSync(image, { force: true });
  }
}

beforeAll(async () => {
  const config = join(work, 'cloud-config.yaml');
  writeFileSync(config, configOf(await imageArchive()));
  await kairos('build', 'raw', await imageLayout('debian13'), '--output', disk, '--cloud-config', config);
  putOnOem({ '95_broken.yaml': broken, '96_mistaken.yaml': mistaken });
  truncateSync(disk, 8 * 1024 ** 3);
  writeFileSync(second, '');
  truncateSync(second, 512 * 1024 ** 2);
  const userData = join(work, 'user-data');
  writeFileSync(userData, `${fromDrive}\n`);
  execFileSync('xorriso', ['-as', 'mkisofs', '-quiet', '-R', '-V', 'cidata', '-o', drive, userData]);
  rmSync(userData);
  const body =
    '#cloud-config\nstages:\n  network:\n  - files: [{ path: /run/test/remote, content: from afar }]\n';
  writeFileSync(
    answer,
    `HTTP/1.0 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
  );
});

test('a cloud-config with every module takes effect, and a broken one beside it is told and stops nothing', async () => {
  const cmdline = readFileSync(await slotFile('debian13', 'cmdline'), 'utf8').trim();
  await using machine = Machine.start({
    name: 'cloud-config',
    accelerator: await guestAccelerator(),
    disks: [
      { path: disk, snapshot: true },
      { path: second, snapshot: true },
    ],
    cdrom: drive,
    webAnswer: answer,
    kernel: {
      path: await slotFile('debian13', 'vmlinuz'),
      initrd: await slotFile('debian13', 'initrd'),
      commandLine: `root=LABEL=COS_ACTIVE cos-img/filename=/cOS/active/root.img kairos.slot=LABEL=COS_STATE:/cOS/active rd.cos.oemlabel=COS_OEM ${cmdline} console=ttyS0,115200 systemd.default_device_timeout_sec=600 ${quickCommandLine} stages.initramfs[0].files[0].path=/run/test/cmdline stages.initramfs[0].files[0].content=dotted kairos.config=stages.boot.0.commands.0="touch /run/test/setting"`,
    },
  });
  const shell = machine.console;
  await loginAsRoot(shell, { timeout: 600_000 });
  // Done once it returns: the unit of the stage runs to its end before it counts as started.
  await shell.ok('systemctl start cos-setup-network.service', { timeout: 600_000 });

  const effects: readonly (readonly [command: string, output: string | RegExp])[] = [
    ['hostname', 'from-the-drive'],
    ['cat /run/test/write_files', 'written'],
    ['stat -c "%a %U" /run/test/write_files', '640 fleet'],
    ['stat -c %n "/run/test/run cmd"', '/run/test/run cmd'],
    ['[ "$(cat /run/test/order-1)" -lt "$(cat /run/test/order-2)" ] && echo ordered', 'ordered'],
    ['cat /run/test/conditions', 'held'],
    ['ls /run/test/wrong 2>&1 | tail -c 10', /directory$/],
    ['getent group testers leaver | cut -d: -f1,3', 'testers:4242'],
    ['id operator', /^uid=4321\(operator\).*4242\(testers\)/],
    ['getent shadow operator | cut -c 1-11', 'operator:!:'],
    ['cat ~operator/.ssh/authorized_keys', key],
    ['stat -c %a ~operator/.ssh ~operator/.ssh/authorized_keys', '700\n600'],
    ['cat ~fleet/.ssh/authorized_keys', key],
    ['stat -c "%a %U %G" /etc/test /etc/test/plain', '750 root testers\n600 operator testers'],
    ['cat /etc/test/plain', 'debian on amd64'],
    ['cat /etc/test/packed', 'packed'],
    ['cat /run/test/unpacked/name', 'from an image'],
    ['cat /proc/sys/vm/swappiness', '7'],
    ['ls -d /sys/class/net/dummy1', '/sys/class/net/dummy1'],
    ['cat /etc/systemd/timesyncd.conf.d/10-yip.conf', '[Time]\nNTP=time.example'],
    ['cat /etc/test/environment', 'COLOUR=blue'],
    ['cat /etc/test/resolv.conf', 'search example.org\nnameserver 192.0.2.1'],
    ['readlink /etc/localtime', /Europe\/Rome$/],
    ['grep -A1 nano /etc/apt/preferences.d/99-yip-pins', 'Package: nano\nPin: version 8.*'],
    ['cat /run/test/service', 'started'],
    ['cat /run/test/enabled', 'overridden'],
    ['systemctl is-enabled apt-daily.timer || true', 'masked'],
    [
      'udevadm settle; cd /dev/disk/by-id; lsblk -nro LABEL,PARTLABEL virtio-kairos1-part1 virtio-kairos1-part2',
      'DATA1 data1\nDATA2 data2',
    ],
    ['cat /run/test/drive/userdata.yaml', fromDrive],
    // By what every image has: the stages of the user data are done late, and once.
    ['cat /oem/95_userdata/userdata.yaml', fromDrive],
    ['cat /run/test/user-data', 'boot'],
    ['head -n 1 /run/test/downloaded; stat -c %a /run/test/downloaded', '#cloud-config\n600'],
    ['cat /run/test/remote', 'from afar'],
    ['cat /run/test/cmdline; ls /run/test/setting', 'dotted/run/test/setting'],
    ['cat /run/test/beside', 'good'],
    ['ls /run/test/broken /run/test/typo 2>&1 | grep -c "No such file"', '2'],
  ];
  const wrong: unknown[] = [];
  for (const [command, output] of effects) {
    const found = (await shell.run(command)).output;
    if (typeof output === 'string' ? found !== output : !output.test(found)) wrong.push({ command, found });
  }
  expect(wrong).toEqual([]);

  const { boot_report: report } = JSON.parse(
    await shell.ok('kairos-agent state --json', { timeout: 60_000 }),
  );
  expect(report.outcome).toBe('degraded');
  expect(report.failed.map(({ name }: { name: string }) => name)).toEqual(['stage initramfs']);
  const told = report.stages
    .map(({ stage, severity, position }: Record<string, string>) => `${stage} ${severity} ${position}`)
    .sort();
  expect(told).toEqual([
    'boot error /oem/95_broken.yaml:6:3',
    'boot error /oem/96_mistaken.yaml:7:17',
    'boot warning /oem/96_mistaken.yaml:5:7',
    'initramfs error /oem/95_broken.yaml:6:3',
  ]);
  const own = JSON.parse(await shell.ok('cat /run/immucore/boot-report.json'));
  expect(own.stages).toMatchObject([{ stage: 'initramfs', position: '/oem/95_broken.yaml:6:3' }]);
});

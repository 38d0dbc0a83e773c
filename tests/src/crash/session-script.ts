/**
 * What the machine of the crash tests runs, as its first program, on the live system: one operation after another on
 * the disk whose writes are logged. Between them stands what a start of the node would do.
 */

/** The sector in which the guest names what it does next; nothing else uses it. */
export const markOffset = 40 * 512;
export const markPrefix = 'KAIROS CRASH MARK ';

/** Operations in the order of the session. */
export const operations = [
  'install',
  'upgrade',
  'second upgrade',
  'rollback',
  'recovery upgrade',
  'reset',
  'cut upgrade',
] as const;
export type Operation = (typeof operations)[number];

export const isOperation = (phase: string): phase is Operation =>
  (operations as readonly string[]).includes(phase);

/** What a mark says: an operation that goes on, or what goes on after one. */
export function readPhase(mark: string): {
  readonly operation: Operation;
  readonly after: string | undefined;
} {
  const [first = '', second] = mark.split(': ');
  const operation = second ?? (first || 'install');
  if (!isOperation(operation)) throw new Error(`a mark that nobody writes: ${mark}`);
  return { operation, after: second === undefined ? undefined : first };
}

/** The slots before and after an operation. */
export interface OperationFacts {
  readonly before: Readonly<Record<'active' | 'passive' | 'recovery', string>> | undefined;
  readonly after: Readonly<Record<'active' | 'passive' | 'recovery', string>>;
}

export const operationFacts: Readonly<Record<Operation, OperationFacts>> = {
  install: { before: undefined, after: { active: 'v1', passive: 'v1', recovery: 'v1' } },
  upgrade: {
    before: { active: 'v1', passive: 'v1', recovery: 'v1' },
    after: { active: 'v2', passive: 'v1', recovery: 'v1' },
  },
  'second upgrade': {
    before: { active: 'v2', passive: 'v1', recovery: 'v1' },
    after: { active: 'v3', passive: 'v2', recovery: 'v1' },
  },
  rollback: {
    before: { active: 'v3', passive: 'v2', recovery: 'v1' },
    after: { active: 'v2', passive: 'v3', recovery: 'v1' },
  },
  'recovery upgrade': {
    before: { active: 'v2', passive: 'v3', recovery: 'v1' },
    after: { active: 'v2', passive: 'v3', recovery: 'v3' },
  },
  reset: {
    before: { active: 'v2', passive: 'v3', recovery: 'v3' },
    after: { active: 'v3', passive: 'v3', recovery: 'v3' },
  },
  // Its end is a power cut after the first exchange.
  'cut upgrade': {
    before: { active: 'v3', passive: 'v3', recovery: 'v3' },
    after: { active: 'v1', passive: 'v3', recovery: 'v3' },
  },
};

/** The image that an operation brings; a rollback and a reset take what is there. */
export const imageOf: Readonly<Record<Operation, string | undefined>> = {
  install: 'v1',
  upgrade: 'v2',
  'second upgrade': 'v3',
  rollback: undefined,
  'recovery upgrade': 'v3',
  reset: undefined,
  'cut upgrade': 'v1',
};

export const installConfig = `#cloud-config
install:
  grub_options:
    kairos_timeout: "0"
users:
  - name: kairos
    passwd: kairos-test
    groups: [admin]
`;

/** @param rootHashes by version */
export function sessionScript(rootHashes: Readonly<Record<string, string>>): string {
  return `#!/bin/bash
exec </dev/null >/dev/console 2>&1
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
carrier=/run/initramfs/live/crash
disk=/dev/vda
agent() { $carrier/kairos agent "$@"; }
finish() { echo "crash-session: $1"; sync; poweroff -f; }
trap 'finish "FAILED in line $LINENO"' ERR
set -eE

mark() {
  printf '${markPrefix}%s\\n' "$1" | dd of=$disk bs=512 seek=${markOffset / 512} count=1 conv=sync oflag=direct status=none
  echo "crash-session: $1 at $(cut -d ' ' -f 1 /proc/uptime)"
}

# start SLOT ROOT-HASH: the machine as it is after a start of that slot.
start() {
  echo "root=LABEL=COS_$1 kairos.slot=LABEL=COS_STATE:/cOS/active kairos.verity=$2:-:10:11 console=ttyS0" >/run/cmdline
  mount --bind /run/cmdline /proc/cmdline
  mkdir -p /run/initramfs/cos-state
  mount -o ro,noatime $disk"5" /run/initramfs/cos-state
  mount -o rw,noatime $disk"3" /oem
  mount -o rw,noatime $disk"6" /usr/local
}
start_recovery() {
  echo "root=LABEL=COS_SYSTEM kairos.slot=LABEL=COS_RECOVERY:/cOS/recovery kairos.reset kairos.verity=$1:-:10:11 console=ttyS0" >/run/cmdline
  mount --bind /run/cmdline /proc/cmdline
  mount -o ro,noatime $disk"4" /run/initramfs/cos-state
  mount -o rw,noatime $disk"3" /oem
}
stop_recovery() {
  umount /run/initramfs/cos-state /oem /proc/cmdline
}
stop() {
  umount /usr/local /oem /run/initramfs/cos-state /proc/cmdline
}

# Only what the tests need of a running system: events of disks, an init that has reached its target, no failed units.
/usr/lib/systemd/systemd-udevd --daemon
udevadm trigger --subsystem-match=block --action=add
udevadm settle
mkdir -p /run/immucore /oem
echo '{"steps":[]}' >/run/immucore/boot-report.json
cat >/usr/bin/systemctl <<'END'
#!/bin/sh
case "$*" in *default.target) printf 'Id=default.target\\nActiveState=active\\n' ;; esac
END

mark install
agent manual-install --source dir:$carrier/v1 --device $disk $carrier/config.yaml
mark 'idle: install'
start ACTIVE ${rootHashes.v1}
mark upgrade
agent upgrade --source dir:$carrier/v2
stop
mark 'idle: upgrade'
start ACTIVE ${rootHashes.v2}
mark 'boot-good: upgrade'
agent boot-good
mark 'second upgrade'
agent upgrade --source dir:$carrier/v3
stop
mark 'idle: second upgrade'
start ACTIVE ${rootHashes.v3}
mark 'boot-good: second upgrade'
agent boot-good
mark rollback
agent rollback
stop
mark 'idle: rollback'
start ACTIVE ${rootHashes.v2}
mark 'boot-good: rollback'
agent boot-good
mark 'recovery upgrade'
agent upgrade --recovery --source dir:$carrier/v3
stop
mark 'idle: recovery upgrade'
start_recovery ${rootHashes.v3}
mark reset
agent reset --unattended
stop_recovery
mark 'idle: reset'
start ACTIVE ${rootHashes.v3}
mark 'cut upgrade'
echo 'power-cut upgrade/exchange/after' >/run/fault
echo 'crash-session: completed, now the power is cut'
KAIROS_FAULT_FILE=/run/fault $carrier/kairos-faults agent upgrade --source dir:$carrier/v1
finish 'FAILED: the power was not cut'
`;
}

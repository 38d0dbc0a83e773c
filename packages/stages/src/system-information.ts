import { type Architecture, architectureNames } from '@kairos/facts/architecture';
import { MiB } from '@kairos/facts/size';
import type { Host } from '@kairos/host/host';

interface Known {
  readonly osRelease: Readonly<Record<string, string>>;
  readonly architecture: Architecture;
}

/**
 * What templates know as `.Values`, but for `node`: the tree that the sysinfo library of the Go world gives, by its JSON names.
 * Read from `/sys` and `/proc` only; what a machine does not tell is left out.
 */
export function systemInformation(host: Host, known: Known): Record<string, unknown> {
  const read = (path: string): string => {
    try {
      return host.files.readTextIfAny(path)?.trim() ?? '';
    } catch {
      // Some files of /sys are for root only or answer with an error; they then tell nothing.
      return '';
    }
  };
  const dmi = (name: string) => read(`/sys/class/dmi/id/${name}`);
  const filled = (entries: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== '' && value !== 0));
  const { osRelease } = known;
  const processor = read('/proc/cpuinfo');
  const field = (name: string) =>
    new RegExp(`^${name}\\s*:\\s*(.*)$`, 'm').exec(processor)?.[1]?.trim() ?? '';
  const threads = processor.match(/^processor\s*:/gm)?.length ?? 0;
  const packages = new Set(processor.match(/^physical id\s*:.*$/gm) ?? []).size || (threads > 0 ? 1 : 0);
  const memory = Number(/^MemTotal:\s*(\d+) kB/m.exec(read('/proc/meminfo'))?.[1] ?? 0);
  return {
    os: filled({
      name: osRelease.PRETTY_NAME ?? '',
      vendor: osRelease.ID ?? '',
      version: osRelease.VERSION_ID ?? '',
      release: osRelease.VERSION ?? '',
      architecture: known.architecture,
    }),
    kernel: filled({
      release: read('/proc/sys/kernel/osrelease'),
      version: read('/proc/sys/kernel/version'),
      architecture: architectureNames[known.architecture].uname,
    }),
    product: filled({
      name: dmi('product_name'),
      vendor: dmi('sys_vendor'),
      version: dmi('product_version'),
      serial: dmi('product_serial'),
      uuid: dmi('product_uuid'),
      sku: dmi('product_sku'),
    }),
    board: filled({
      name: dmi('board_name'),
      vendor: dmi('board_vendor'),
      version: dmi('board_version'),
      serial: dmi('board_serial'),
      assettag: dmi('board_asset_tag'),
    }),
    chassis: filled({
      type: Number(dmi('chassis_type')) || 0,
      vendor: dmi('chassis_vendor'),
      version: dmi('chassis_version'),
      serial: dmi('chassis_serial'),
      assettag: dmi('chassis_asset_tag'),
    }),
    bios: filled({ vendor: dmi('bios_vendor'), version: dmi('bios_version'), date: dmi('bios_date') }),
    cpu: filled({
      vendor: field('vendor_id'),
      model: field('model name'),
      cache: Number.parseInt(field('cache size'), 10) || 0,
      cpus: packages,
      cores: packages * (Number(field('cpu cores')) || 0),
      threads,
    }),
    memory: filled({ size: Math.round((memory * 1024) / MiB) }),
    storage: host.files
      .list('/sys/block')
      .filter((name) => host.files.exists(`/sys/block/${name}/device`))
      .map((name) => {
        const device = (file: string) => read(`/sys/block/${name}/device/${file}`);
        return filled({
          name,
          vendor: device('vendor'),
          model: device('model'),
          serial: device('serial'),
          // Sectors of 512 bytes, told in decimal gigabytes.
          size: Math.round((Number(read(`/sys/block/${name}/size`)) * 512) / 1e9),
        });
      }),
    network: host.files
      .list('/sys/class/net')
      .filter((name) => host.files.exists(`/sys/class/net/${name}/device`))
      .map((name) => {
        const net = (file: string) => read(`/sys/class/net/${name}/${file}`);
        return filled({ name, macaddress: net('address'), speed: Math.max(0, Number(net('speed')) || 0) });
      }),
  };
}

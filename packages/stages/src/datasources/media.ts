import { gunzipSync } from 'node:zlib';
import { parseDocument } from '@kairos/config/document';
import { MiB } from '@kairos/facts/size';
import type { ModuleContext } from '../context.ts';
import { isRecord } from '../field.ts';
import { resolvePath } from '../links.ts';
import { type Instance, instanceOf, type LocalSource, linesOf, textOf } from './instance.ts';

const mountPoint = '/run/kairos-datasource';
const maximumSize = 16 * MiB;

/** Reads a file below a mounted medium, where links are not followed out of it. */
type Reader = (name: string) => Uint8Array | undefined;

function readerOf(context: ModuleContext, root: string): Reader {
  const { files } = context.host;
  return (name) => {
    const path = resolvePath(files, `${root}/${name}`);
    if (path === undefined || !path.startsWith(`${root}/`)) return undefined;
    const status = files.status(path);
    return status?.kind === 'file' && status.size <= maximumSize ? files.readBytes(path) : undefined;
  };
}

function mapOf(bytes: Uint8Array | undefined): Readonly<Record<string, unknown>> {
  const text = textOf(bytes);
  if (text === undefined) return {};
  try {
    const { value } = parseDocument(text, 'meta-data');
    return isRecord(value) ? value : {};
  } catch {
    return {};
  }
}

const stringOf = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
function keysOf(value: unknown): string[] {
  const items = Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : [value];
  return items.filter((item) => typeof item === 'string').flatMap(linesOf);
}

/** NoCloud: `user-data` and `meta-data` at the top of the medium. */
function noCloudInstance(read: Reader): Instance | undefined {
  const userData = read('user-data');
  const metadata = read('meta-data');
  if (userData === undefined && metadata === undefined) return undefined;
  const values = mapOf(metadata);
  return instanceOf({
    userData,
    hostname: stringOf(values['local-hostname']) ?? stringOf(values.hostname),
    instanceId: stringOf(values['instance-id']),
    keys: keysOf(values['public-keys']),
  });
}

/** OpenStack's configuration drive. */
function configDriveInstance(read: Reader): Instance | undefined {
  const userData = read('openstack/latest/user_data');
  const metadata = read('openstack/latest/meta_data.json');
  if (userData === undefined && metadata === undefined) return undefined;
  const values = mapOf(metadata);
  return instanceOf({
    userData,
    hostname: stringOf(values.hostname),
    instanceId: stringOf(values.uuid),
    keys: keysOf(values.public_keys),
  });
}

interface Medium {
  readonly path: string;
  readonly filesystem: string;
}

/** Media by label; any optical drive with a file system also counts where `drives` is set. */
async function mediaOf(context: ModuleContext, label: string, drives: boolean): Promise<Medium[]> {
  const found: Medium[] = [];
  for (const disk of await context.host.disks()) {
    for (const part of [disk, ...disk.partitions]) {
      const isDrive = drives && part === disk && disk.type === 'rom' && disk.filesystem !== '';
      if (part.label.toLowerCase() !== label && !isDrive) continue;
      if (found.every(({ path }) => path !== part.path))
        found.push({ path: part.path, filesystem: part.filesystem });
    }
  }
  return found;
}

/** Reads a medium where it is mounted already, else mounts it for reading. */
function fromMedium(
  context: ModuleContext,
  medium: Medium,
  read: (reader: Reader) => Instance | undefined,
): Instance | undefined {
  const { host } = context;
  const mounted = host.mounts().find(({ source }) => source === medium.path)?.target;
  if (mounted !== undefined) return read(readerOf(context, mounted));
  const type = ['iso9660', 'vfat', 'udf', 'ext4'].includes(medium.filesystem) ? medium.filesystem : 'iso9660';
  host.files.makeDirectory(mountPoint, { mode: 0o700 });
  host.mount({
    source: medium.path,
    target: mountPoint,
    type,
    options: ['ro', 'nosuid', 'nodev', 'noexec'],
  });
  try {
    return read(readerOf(context, mountPoint));
  } finally {
    host.unmount(mountPoint);
    host.files.remove(mountPoint);
  }
}

async function fromMedia(
  context: ModuleContext,
  label: string,
  drives: boolean,
  read: (reader: Reader) => Instance | undefined,
): Promise<Instance | undefined> {
  for (const medium of await mediaOf(context, label, drives)) {
    try {
      const instance = fromMedium(context, medium, read);
      if (instance !== undefined) return instance;
    } catch (error) {
      // An empty drive or an unreadable disc is not the source that is looked for.
      context.log(`${medium.path}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return undefined;
}

const seeds = ['/var/lib/cloud/seed/nocloud', '/var/lib/cloud/seed/nocloud-net'];

const cdrom: LocalSource = {
  async find(context) {
    return fromMedia(context, 'cidata', true, (read) => noCloudInstance(read) ?? configDriveInstance(read));
  },
};

const nocloud: LocalSource = {
  async find(context) {
    for (const seed of seeds) {
      const instance = noCloudInstance(readerOf(context, seed));
      if (instance !== undefined) return instance;
    }
    return fromMedia(context, 'cidata', false, noCloudInstance);
  },
};

const configDrive: LocalSource = {
  find: (context) => fromMedia(context, 'config-2', false, configDriveInstance),
};

/** VMware's guest information, through either program of the guest tools. */
const vmware: LocalSource = {
  async find(context) {
    const { host } = context;
    const vendor = host.files.readTextIfAny('/sys/class/dmi/id/sys_vendor') ?? '';
    if (!vendor.includes('VMware')) return undefined;
    const tool = host.which('vmware-rpctool')
      ? 'vmware-rpctool'
      : host.which('vmtoolsd')
        ? 'vmtoolsd'
        : undefined;
    if (tool === undefined) {
      context.log(
        'this is a VMware machine without vmware-rpctool or vmtoolsd; its guest information is not read',
      );
      return undefined;
    }
    const get = async (name: string): Promise<string | undefined> => {
      const command = `info-get guestinfo.${name}`;
      const codes = [0, 1, 255];
      const { stdout, code } = await context.query(
        tool === 'vmtoolsd' ? [tool, '--cmd', command] : [tool, command],
        { okCodes: codes },
      );
      const text = stdout.trim();
      return code !== 0 || text === '' || text === '---' ? undefined : text;
    };
    const decoded = async (name: string): Promise<Uint8Array | undefined> => {
      const text = await get(name);
      if (text === undefined) return undefined;
      const encoding = (await get(`${name}.encoding`))?.toLowerCase() ?? '';
      if (/^(gzip|gz)\+(base64|b64)$/.test(encoding)) {
        return gunzipSync(Buffer.from(text, 'base64'), { maxOutputLength: maximumSize });
      }
      return /^(base64|b64)$/.test(encoding) ? Buffer.from(text, 'base64') : Buffer.from(text);
    };
    const userData = await decoded('userdata');
    const values = mapOf(await decoded('metadata'));
    if (userData === undefined && Object.keys(values).length === 0) return undefined;
    return instanceOf({
      userData,
      hostname: stringOf(values['local-hostname']) ?? stringOf(values.hostname),
      instanceId: stringOf(values['instance-id']),
      keys: keysOf(values['public-keys-data'] ?? values['public-keys']),
    });
  },
};

/** Sources on the machine itself, by the names that `providers` uses; they come before those of the network. */
export const localSources: Readonly<Record<string, LocalSource>> = {
  cdrom,
  'config-drive': configDrive,
  nocloud,
  vmware,
};

import { instanceOf, linesOf, type MetadataService, textOf } from './instance.ts';
import type { MetadataSession } from './session.ts';

const linkLocal = 'http://169.254.169.254';

function recordOf(bytes: Uint8Array | undefined): Readonly<Record<string, unknown>> | undefined {
  const text = textOf(bytes);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

const stringOf = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
const stringsOf = (value: unknown): string[] =>
  Array.isArray(value)
    ? value.filter((item) => typeof item === 'string')
    : typeof value === 'object' && value !== null
      ? Object.values(value).filter((item) => typeof item === 'string')
      : [];

/** Amazon EC2, with the session tokens of IMDSv2 and without them where they are refused. */
const aws: MetadataService = {
  address: linkLocal,
  async find(session) {
    const token = textOf(
      await session.get('/latest/api/token', {
        method: 'PUT',
        headers: { 'X-aws-ec2-metadata-token-ttl-seconds': '300' },
      }),
    );
    const options = token === undefined ? {} : { headers: { 'X-aws-ec2-metadata-token': token } };
    const text = async (name: string) => textOf(await session.get(`/latest/meta-data/${name}`, options));
    const instanceId = await text('instance-id');
    if (instanceId === undefined) return undefined;
    const userData = await session.get('/latest/user-data', options);
    const keys: string[] = [];
    for (const line of linesOf(await text('public-keys/'))) {
      const index = line.split('=')[0] ?? '';
      if (/^\d+$/.test(index)) keys.push(...linesOf(await text(`public-keys/${index}/openssh-key`)));
    }
    return instanceOf({ userData, hostname: await text('local-hostname'), instanceId, keys });
  },
};

/** Google Compute Engine. */
const gcp: MetadataService = {
  address: linkLocal,
  async find(session) {
    const options = { headers: { 'Metadata-Flavor': 'Google' } };
    const get = (path: string) => session.get(`/computeMetadata/v1/${path}`, options);
    const instanceId = textOf(await get('instance/id'));
    if (instanceId === undefined) return undefined;
    const userData = await get('instance/attributes/user-data');
    const keys: string[] = [];
    for (const path of ['instance/attributes/ssh-keys', 'project/attributes/ssh-keys']) {
      // `user:key`; the user is whom the image's own agent would make.
      for (const line of linesOf(textOf(await get(path))))
        keys.push(line.replace(/^[a-z_][\w.-]*:(?=\S)/i, ''));
    }
    return instanceOf({ userData, hostname: textOf(await get('instance/hostname')), instanceId, keys });
  },
};

/** Azure's instance metadata service. */
const azure: MetadataService = {
  address: linkLocal,
  async find(session) {
    const get = (path: string, format: string) =>
      session.get(`/metadata/instance/compute/${path}?api-version=2021-01-01&format=${format}`, {
        headers: { Metadata: 'true' },
      });
    const instanceId = textOf(await get('vmId', 'text'));
    if (instanceId === undefined) return undefined;
    const encoded = textOf(await get('userData', 'text'));
    const keys: string[] = [];
    for (let index = 0; index < 16; index++) {
      const key = textOf(await get(`publicKeys/${index}/keyData`, 'text'));
      if (key === undefined) break;
      keys.push(...linesOf(key.replaceAll('\r\n', '')));
    }
    return instanceOf({
      userData: encoded === undefined ? undefined : Buffer.from(encoded, 'base64'),
      hostname: textOf(await get('name', 'text')),
      instanceId,
      keys,
    });
  },
};

/** OpenStack's own tree, not the one that it shares with EC2. */
const openstack: MetadataService = {
  address: linkLocal,
  async find(session) {
    const metadata = recordOf(await session.get('/openstack/latest/meta_data.json'));
    if (metadata === undefined) return undefined;
    return instanceOf({
      userData: await session.get('/openstack/latest/user_data'),
      hostname: stringOf(metadata.hostname),
      instanceId: stringOf(metadata.uuid),
      keys: stringsOf(metadata.public_keys).flatMap(linesOf),
    });
  },
};

/** A service that has one file for each value, without lists to walk through. */
function plainService(
  address: string,
  paths: {
    readonly userData: readonly string[];
    readonly hostname: string;
    readonly instanceId: string;
    readonly keys: string;
  },
): MetadataService {
  return {
    address,
    async find(session: MetadataSession) {
      const hostname = textOf(await session.get(paths.hostname));
      if (hostname === undefined) return undefined;
      let userData: Uint8Array | undefined;
      for (const path of paths.userData) {
        userData ??= await session.get(path);
        if (userData !== undefined && userData.length === 0) userData = undefined;
      }
      const listed = textOf(await session.get(paths.keys));
      return instanceOf({
        userData,
        hostname,
        instanceId: textOf(await session.get(paths.instanceId)),
        keys: listed?.startsWith('[') ? stringsOf(JSON.parse(listed)) : linesOf(listed),
      });
    },
  };
}

const hetzner = plainService(linkLocal, {
  userData: ['/hetzner/v1/userdata'],
  hostname: '/hetzner/v1/metadata/hostname',
  instanceId: '/hetzner/v1/metadata/instance-id',
  keys: '/hetzner/v1/metadata/public-keys',
});

const digitalocean = plainService(linkLocal, {
  userData: ['/metadata/v1/user-data'],
  hostname: '/metadata/v1/hostname',
  instanceId: '/metadata/v1/id',
  keys: '/metadata/v1/public-keys',
});

const vultr = plainService(linkLocal, {
  userData: ['/user-data/user-data', '/latest/user-data'],
  hostname: '/v1/hostname',
  instanceId: '/v1/instanceid',
  keys: '/v1/public-keys',
});

/** Metal's `metaldata`. */
const metaldata = plainService('http://metaldata', {
  userData: ['/get/user'],
  hostname: '/get/meta/hostname',
  instanceId: '/get/meta/machine-id',
  keys: '/get/meta/authorized-keys',
});

/** Scaleway: user data is given to ports below 1024 only, so that no ordinary user of the machine reads it. */
const scaleway: MetadataService = {
  address: 'http://169.254.42.42',
  async find(session) {
    const lines = textOf(await session.get('/conf'))?.split('\n') ?? [];
    const value = (name: string) =>
      stringOf(
        lines
          .find((line) => line.startsWith(`${name}=`))
          ?.slice(name.length + 1)
          .replace(/^'(.*)'$/, '$1'),
      );
    const instanceId = value('ID');
    if (instanceId === undefined) return undefined;
    const count = Math.min(64, Number(value('SSH_PUBLIC_KEYS') ?? 0) || 0);
    return instanceOf({
      userData: await session.get('/user_data/cloud-init', { privilegedPort: true }),
      hostname: value('HOSTNAME'),
      instanceId,
      keys: Array.from({ length: count }, (_, index) => value(`SSH_PUBLIC_KEYS_${index}_KEY`) ?? '').flatMap(
        linesOf,
      ),
    });
  },
};

/** Equinix Metal, once Packet. */
const packet: MetadataService = {
  address: 'https://metadata.platformequinix.com',
  async find(session) {
    const metadata = recordOf(await session.get('/metadata'));
    if (metadata === undefined || metadata.error !== undefined) return undefined;
    const userData = await session.get('/userdata');
    const boots = textOf(userData)?.startsWith('#!ipxe');
    return instanceOf({
      userData: boots ? undefined : userData,
      hostname: stringOf(metadata.hostname),
      instanceId: stringOf(metadata.id),
      keys: stringsOf(metadata.ssh_keys),
    });
  },
};

/** Metadata services by the names that `providers` uses. */
export const metadataServices: Readonly<Record<string, MetadataService>> = {
  aws,
  azure,
  digitalocean,
  gcp,
  hetzner,
  metaldata,
  openstack,
  packet,
  scaleway,
  vultr,
};

import { afterEach, describe, expect, test } from 'bun:test';
import { gzipSync } from 'node:zlib';
import type { Disk } from '@kairos/host/disks';
import { metadataServices } from '../datasources/metadata-services.ts';
import { readUserData } from '../datasources/user-data.ts';
import { testMachines, told } from '../test-machine.ts';

const testMachine = testMachines();

const config = '#cloud-config\nhostname: from-user-data\n';
const key = `ssh-ed25519 AAAA${'B'.repeat(40)} me`;

const servers: { stop(force: boolean): unknown }[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop(true);
});

type Answers = Readonly<Record<string, string>>;

/** A metadata service of the given paths; `guard` refuses requests that the real one would refuse. */
function serve(
  answers: Answers,
  guard: (request: Request, path: string) => Response | undefined = () => undefined,
): string {
  const server = Bun.serve({
    port: 0,
    fetch(request) {
      const url = new URL(request.url);
      const path = url.pathname + url.search;
      const refused = guard(request, path);
      if (refused) return refused;
      const answer = answers[path];
      return answer === undefined ? new Response('not found', { status: 404 }) : new Response(answer);
    },
  });
  servers.push(server);
  return `http://127.0.0.1:${server.port}`;
}

const refuse = (status: number) => new Response('', { status });
const azurePath = (name: string) => `/metadata/instance/compute/${name}?api-version=2021-01-01&format=text`;

/** Each service as it answers in the field. */
const services: Readonly<Record<string, () => string>> = {
  aws: () =>
    serve(
      {
        '/latest/api/token': 'TOKEN',
        '/latest/meta-data/instance-id': 'i-1',
        '/latest/meta-data/local-hostname': 'node-1',
        '/latest/meta-data/public-keys/': '0=my-key',
        '/latest/meta-data/public-keys/0/openssh-key': `${key}\n`,
        '/latest/user-data': config,
      },
      (request, path) => {
        if (path === '/latest/api/token') {
          const fine =
            request.method === 'PUT' && request.headers.has('X-aws-ec2-metadata-token-ttl-seconds');
          return fine ? undefined : refuse(405);
        }
        return request.headers.get('X-aws-ec2-metadata-token') === 'TOKEN' ? undefined : refuse(401);
      },
    ),
  gcp: () =>
    serve(
      {
        '/computeMetadata/v1/instance/id': '1',
        '/computeMetadata/v1/instance/hostname': 'node-1',
        '/computeMetadata/v1/instance/attributes/user-data': config,
        '/computeMetadata/v1/project/attributes/ssh-keys': `octo:${key}\n`,
      },
      (request) => (request.headers.get('Metadata-Flavor') === 'Google' ? undefined : refuse(403)),
    ),
  azure: () =>
    serve(
      {
        [azurePath('vmId')]: 'v-1',
        [azurePath('name')]: 'node-1',
        [azurePath('userData')]: Buffer.from(config).toString('base64'),
        [azurePath('publicKeys/0/keyData')]: `${key}\r\n`,
      },
      (request) => (request.headers.get('Metadata') === 'true' ? undefined : refuse(400)),
    ),
  openstack: () =>
    serve({
      '/openstack/latest/meta_data.json': JSON.stringify({
        uuid: 'u',
        hostname: 'node-1',
        public_keys: { mine: key },
      }),
      '/openstack/latest/user_data': config,
    }),
  hetzner: () =>
    serve({
      '/hetzner/v1/metadata/hostname': 'node-1',
      '/hetzner/v1/metadata/instance-id': '5',
      '/hetzner/v1/metadata/public-keys': JSON.stringify([key]),
      '/hetzner/v1/userdata': config,
    }),
  digitalocean: () =>
    serve({
      '/metadata/v1/hostname': 'node-1',
      '/metadata/v1/id': '6',
      '/metadata/v1/public-keys': key,
      '/metadata/v1/user-data': config,
    }),
  vultr: () =>
    serve({
      '/v1/hostname': 'node-1',
      '/v1/instanceid': '7',
      '/v1/public-keys': key,
      '/user-data/user-data': config,
    }),
  metaldata: () =>
    serve({ '/get/meta/hostname': 'node-1', '/get/meta/authorized-keys': key, '/get/user': config }),
  packet: () =>
    serve({
      '/metadata': JSON.stringify({ id: 'p', hostname: 'node-1', ssh_keys: [key] }),
      '/userdata': config,
    }),
};

/** Root's keys belong to whoever runs the tests, who may not give files away. */
function machine(options: Parameters<typeof testMachine>[0] = {}) {
  const made = testMachine(options);
  made.put('/etc/passwd', `root:x:${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}::/root:/bin/sh\n`);
  made.put('/proc/sys/kernel/hostname', 'old\n');
  return made;
}

describe('metadata services', () => {
  test.each(Object.keys(services))('%s', async (name) => {
    const made = machine();
    const address = services[name]?.() ?? '';
    const result = await made.step(`datasource: { providers: [${name}], path: /oem/95_userdata }`, {
      services: { metadataServers: { [name]: address } },
    });
    expect(result.problems).toEqual([]);
    expect(made.read('/oem/95_userdata/userdata.yaml')).toBe(config);
    expect(made.mode('/oem/95_userdata/userdata.yaml')).toBe('600');
    expect(made.read('/etc/hostname')).toBe('node-1\n');
    expect(made.read('/root/.ssh/authorized_keys')).toBe(`${key}\n`);
  });

  test('scaleway gives user data to privileged ports only', async () => {
    if (process.getuid?.() !== 0) return;
    const server = Bun.serve({
      port: 0,
      fetch(request, self) {
        const { pathname } = new URL(request.url);
        if (pathname === '/conf') {
          return new Response(`ID=s-1\nHOSTNAME=node-1\nSSH_PUBLIC_KEYS=1\nSSH_PUBLIC_KEYS_0_KEY='${key}'\n`);
        }
        const port = self.requestIP(request)?.port ?? 65535;
        return pathname === '/user_data/cloud-init' && port < 1024 ? new Response(config) : refuse(403);
      },
    });
    servers.push(server);
    const made = machine();
    const result = await made.step('datasource: { providers: [scaleway] }', {
      services: { metadataServers: { scaleway: `http://127.0.0.1:${server.port}` } },
    });
    expect(result.problems).toEqual([]);
    expect(made.read('/run/config/userdata.yaml')).toBe(config);
    expect(made.read('/root/.ssh/authorized_keys')).toBe(`${key}\n`);
  });

  test('an EC2 without tokens still answers', async () => {
    const made = machine();
    const address = serve({ '/latest/meta-data/instance-id': 'i', '/latest/user-data': config });
    await made.step('datasource: { providers: [aws] }', { services: { metadataServers: { aws: address } } });
    expect(made.read('/run/config/userdata.yaml')).toBe(config);
  });

  test('the one that answers wins over those that do not', async () => {
    const made = machine();
    const silent = Bun.serve({ port: 0, fetch: () => new Promise<Response>(() => undefined) });
    servers.push(silent);
    const other = serve({});
    const result = await made.step('datasource: { providers: [aws, gcp, hetzner, azzure] }', {
      services: {
        metadataServers: {
          aws: `http://127.0.0.1:${silent.port}`,
          gcp: other,
          hetzner: services.hetzner?.() ?? '',
        },
      },
    });
    expect(made.read('/run/config/userdata.yaml')).toBe(config);
    expect(result.problems.map(({ message }) => message)).toEqual([
      'there is no data source "azzure", did you mean azure?',
    ]);
  });

  test('services that never answer are given up, all at once', async () => {
    const asked = new Set<string>();
    const silent = Bun.serve({
      port: 0,
      fetch(request) {
        asked.add(new URL(request.url).pathname);
        return new Promise<Response>(() => undefined);
      },
    });
    servers.push(silent);
    const names = Object.keys(metadataServices);
    const address = `http://127.0.0.1:${silent.port}`;
    const result = await machine().step(`datasource: { providers: [${names.join(', ')}] }`, {
      services: { metadataServers: Object.fromEntries(names.map((name) => [name, address])) },
    });
    expect(told(result)).toEqual(['USER_DATA_MISSING:3']);
    expect(asked.size).toBeGreaterThan(5);
  });

  test('none is an error at the place of the step; known without data a warning', async () => {
    const none = await machine().step('datasource: { providers: [gcp] }', {
      services: { metadataServers: { gcp: serve({}) } },
    });
    expect(told(none)).toEqual(['USER_DATA_MISSING:3']);
    const empty = await machine().step('datasource: { providers: [hetzner] }', {
      services: { metadataServers: { hetzner: serve({ '/hetzner/v1/metadata/hostname': 'n' }) } },
    });
    expect(empty.failed).toBe(false);
    expect(told(empty)).toEqual(['USER_DATA_EMPTY:3']);
  });
});

describe('on the machine', () => {
  const rom: Disk = {
    path: '/dev/sr0',
    name: 'sr0',
    size: 1,
    readOnly: true,
    removable: true,
    model: '',
    type: 'rom',
    partitionTable: '',
    filesystem: 'iso9660',
    label: 'cidata',
    mountPoints: [],
    partitions: [],
  };

  test.each([
    ['cdrom', 'user-data', 'meta-data'],
    ['nocloud', 'user-data', 'meta-data'],
    ['config-drive', 'openstack/latest/user_data', 'openstack/latest/meta_data.json'],
  ])('%s', async (provider, userData, metadata) => {
    const label = provider === 'config-drive' ? 'config-2' : 'CIDATA';
    const made = machine({
      disks: [{ ...rom, label }],
      mounts: [{ source: '/dev/sr0', target: '/mnt', type: 'iso9660', options: [] }],
    });
    made.put(`/mnt/${userData}`, config);
    made.put(`/mnt/${metadata}`, '{"local-hostname": "n", "hostname": "n"}');
    expect((await made.step(`datasource: { providers: [${provider}] }`)).problems).toEqual([]);
    expect(made.read('/run/config/userdata.yaml')).toBe(config);
    expect(made.read('/etc/hostname')).toBe('n\n');
  });

  test('a drive is mounted for reading and let go', async () => {
    const made = machine({ disks: [rom] });
    await made.step('datasource: { providers: [cdrom] }');
    expect(made.host.mountLog).toEqual([
      'mount iso9660 /dev/sr0 /run/kairos-datasource ro,nosuid,nodev,noexec',
      'unmount /run/kairos-datasource',
    ]);
  });

  test('file, and a script in it', async () => {
    const ran: string[] = [];
    const made = machine({
      run: (argv) => {
        ran.push(argv.join(' '));
        return {};
      },
    });
    made.put('/data', '#!/bin/sh\ntrue\n');
    await made.step('datasource: { providers: [file], path: /data }');
    expect(ran).toEqual([`${made.folder}/run/config/userdata`]);
    expect(made.mode('/run/config/userdata')).toBe('700');
  });

  test('vmware', async () => {
    const answers: Answers = {
      'info-get guestinfo.userdata': gzipSync(config).toString('base64'),
      'info-get guestinfo.userdata.encoding': 'gzip+base64',
      'info-get guestinfo.metadata': 'local-hostname: vm\n',
    };
    const made = machine({
      run: (argv) => {
        const stdout = answers[argv[1] ?? ''];
        return stdout === undefined ? { code: 1 } : { stdout };
      },
    });
    made.put('/sys/class/dmi/id/sys_vendor', 'VMware, Inc.\n');
    await made.step('datasource: { providers: [vmware] }');
    expect(made.read('/run/config/userdata.yaml')).toBe(config);
    expect(made.read('/etc/hostname')).toBe('vm\n');
  });
});

const multipart = [
  'Content-Type: multipart/mixed; boundary="MARK"',
  'MIME-Version: 1.0',
  '',
  '--MARK',
  'Content-Type: text/x-shellscript',
  '',
  '#!/bin/sh',
  '--MARK',
  'Content-Type: text/cloud-config; charset="utf-8"',
  'Content-Transfer-Encoding: base64',
  '',
  Buffer.from(config).toString('base64'),
  '--MARK--',
  '',
].join('\r\n');

test.each([
  ['a config', config, { kind: 'config', text: config }],
  ['a script', '#!/bin/sh\n', { kind: 'script', text: '#!/bin/sh\n' }],
  ['compressed', gzipSync(config), { kind: 'config', text: config }],
  ['several parts', multipart, { kind: 'config', text: config }],
  [
    'parts without a head',
    `--M\nContent-Type: text/cloud-config\n\n${config}\n--M--\n`,
    { kind: 'config', text: config },
  ],
  ['a bad archive', new Uint8Array([0x1f, 0x8b, 1, 2]), { kind: 'unknown' }],
  ['something else', 'hello', { kind: 'unknown' }],
] as const)('user data that is %s', (_, given, read) => {
  expect(readUserData(Buffer.from(given))).toEqual(read);
});

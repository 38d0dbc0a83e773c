import { z } from 'zod';
import { count, flag, looseText, mebibytes, owner, permissions, text, textMap, texts } from './kinds.ts';
import { stageUsers } from './users.ts';

const access = {
  permissions: permissions.describe('Octal mode; default 0644, of directories 0755'),
  owner: owner.describe('User, by name or number; default root'),
  group: owner.describe('Group, by name or number; default root'),
  ownerstring: text.describe('user:group'),
} as const;
const file = z.strictObject({
  path: z.string().describe('Where it is written'),
  content: looseText.describe('Content; may be a template'),
  encoding: z
    .enum(['', 'b64', 'base64', 'gz', 'gzip', 'gz+base64', 'gzip+base64', 'gz+b64', 'gzip+b64', 'text/plain'])
    .nullish()
    .describe('Encoding of the content'),
  ...access,
  append: flag.describe('Add to what the file holds'),
});
const directory = z.union([z.string(), z.strictObject({ path: z.string().describe('Path'), ...access })]);
const download = z.strictObject({
  path: z.string().describe('Where it is written; a directory gets a file named by the URL'),
  url: z.string().describe('http or https'),
  timeout: count.describe('Seconds; default 600'),
  ...access,
});
const entity = z.strictObject({
  path: text.describe('File; default that of the kind below /etc'),
  entity: z.string().describe('YAML with kind (user, shadow, group, gshadow) and fields'),
});

const layout = z.strictObject({
  device: z
    .strictObject({
      label: text.describe('File system label on the disk'),
      path: text.describe('/dev/…, or script://PATH whose output is the device'),
      init_disk: flag.describe('Write a new partition table'),
      disk_name: text.describe('Name for the disk'),
    })
    .nullish()
    .describe('The disk'),
  add_partitions: z
    .array(
      z.strictObject({
        fsLabel: text.describe('File system label'),
        size: mebibytes.describe('MiB; 0 for the rest'),
        pLabel: text.describe('Partition name; one that is there is left alone'),
        filesystem: text.describe('File system; none, - or noformat leaves it empty; default ext2'),
        bootable: flag.describe('Legacy boot flag'),
      }),
    )
    .nullish()
    .describe('Partitions to add'),
  expand_partition: z
    .strictObject({ size: mebibytes.describe('MiB; 0 for the rest') })
    .nullish()
    .describe('The last partition grows'),
});

const unitOverride = z.strictObject({
  service: z.string().describe('Unit'),
  name: text.describe('File name; default override-yip.conf'),
  content: z.string().describe('Content of the drop-in'),
});

/** Everything a step may hold. The order of modules within a step is fixed; see the stage engine. */
export const step = z
  .strictObject({
    name: text.describe('Name, for reports and for after'),
    after: z
      .array(z.strictObject({ name: z.string().describe('CONFIG.STEP') }))
      .nullish()
      .describe('Steps that come before this one'),
    node: text.describe('Regular expression on the host name'),
    if: text.describe('Shell condition; exit code 0 runs the step'),
    only_os: text.describe('Regular expression on the name of the operating system'),
    only_os_version: text.describe('Regular expression on VERSION_ID'),
    only_arch: text.describe('amd64, arm64 or riscv64'),
    only_service_manager: text.describe('systemd or openrc'),
    if_files: z
      .strictObject({
        any: texts.describe('One of these paths is there'),
        all: texts.describe('All of these paths are there'),
        none: texts.describe('None of these paths is there'),
      })
      .nullish()
      .describe('Condition on paths'),
    dns: z
      .strictObject({
        nameservers: texts.describe('Addresses'),
        search: texts.describe('Domains'),
        options: texts.describe('Options of resolv.conf(5)'),
        path: text.describe('File; default /etc/resolv.conf'),
      })
      .nullish()
      .describe('Name servers'),
    downloads: z.array(download).nullish().describe('Files to download'),
    git: z
      .strictObject({
        url: text.describe('Repository'),
        path: text.describe('Where it is cloned'),
        branch: text.describe('Branch; default master'),
        branch_only: flag.describe('Only that branch'),
        auth: z
          .strictObject({
            username: text.describe('User of https'),
            password: text.describe('Password of https'),
            private_key: text.describe('Private key of ssh'),
            public_key: text.describe('Public key of the server'),
            insecure: flag.describe('The key of the server is not checked'),
          })
          .nullish()
          .describe('Credentials'),
      })
      .nullish()
      .describe('A repository to clone or to bring up to date'),
    ensure_entities: z.array(entity).nullish().describe('Accounts to add'),
    delete_entities: z.array(entity).nullish().describe('Accounts to remove'),
    directories: z.array(directory).nullish().describe('Directories to make'),
    files: z.array(file).nullish().describe('Files to write'),
    commands: z.array(z.string()).nullish().describe('Commands for a shell'),
    hostname: text.describe('Name of the node'),
    sysctl: textMap.describe('Kernel parameters'),
    users: stageUsers,
    authorized_keys: z
      .record(z.string(), texts)
      .nullish()
      .describe('Public keys by user: keys, github:USER, gitlab:USER, URLs'),
    modules: texts.describe('Kernel modules to load, with parameters'),
    timesyncd: textMap.describe('Settings of systemd-timesyncd'),
    systemctl: z
      .strictObject({
        enable: texts.describe('Units to enable'),
        disable: texts.describe('Units to disable'),
        start: texts.describe('Units to start'),
        mask: texts.describe('Units to mask'),
        overrides: z.array(unitOverride).nullish().describe('Drop-ins'),
      })
      .nullish()
      .describe('Units of systemd'),
    environment: textMap.describe('Variables to write'),
    environment_file: text.describe('Where; default /etc/environment'),
    systemd_firstboot: textMap.describe('Options of systemd-firstboot'),
    datasource: z
      .strictObject({
        providers: texts.describe(
          'aws, azure, cdrom, config-drive, digitalocean, file, gcp, hetzner, metaldata, nocloud, openstack, packet, scaleway, vmware, vultr',
        ),
        path: text.describe('Where user data is written; default /run/config'),
        userdata_name: text.describe('File name; default userdata.yaml'),
      })
      .nullish()
      .describe('User data of a cloud or a medium'),
    layout: layout.nullish().describe('Partitions of a disk'),
    package_pins: textMap.describe('Versions by package'),
    packages: z
      .strictObject({
        install: texts.describe('Packages to install'),
        remove: texts.describe('Packages to remove'),
        refresh: flag.describe('Fetch the lists first'),
        upgrade: flag.describe('Upgrade all packages'),
      })
      .nullish()
      .describe('Packages of the distribution'),
    unpack_images: z
      .array(
        z.strictObject({
          source: z.string().describe('Image'),
          target: z.string().describe('Directory'),
          platform: text.describe('Such as linux/arm64; default: that of the node'),
        }),
      )
      .nullish()
      .describe('Images to unpack'),
  })
  .describe('A step of a stage');

export const stages = z.record(z.string(), z.array(step.nullable()).nullish()).nullish();
/** A file of the list at the root. */
export const writeFile = file.extend({ defer: flag.describe('After the users are made') });

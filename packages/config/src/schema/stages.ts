import { z } from 'zod';
import { count, flag, looseText, mebibytes, owner, permissions, text, textMap, texts } from './kinds.ts';
import { stageUsers } from './users.ts';

const file = z.strictObject({
  path: z.string(),
  content: looseText,
  encoding: z
    .enum(['', 'b64', 'base64', 'gz', 'gzip', 'gz+base64', 'gzip+base64', 'gz+b64', 'gzip+b64', 'text/plain'])
    .nullish(),
  permissions,
  owner,
  group: owner,
  ownerstring: text.describe('user:group'),
  append: flag,
});
const directory = z.union([
  z.string(),
  z.strictObject({ path: z.string(), permissions, owner, group: owner, ownerstring: text }),
]);
const download = z.strictObject({
  path: z.string(),
  url: z.string(),
  timeout: count.describe('Seconds'),
  permissions,
  owner,
  group: owner,
  ownerstring: text,
});
const entity = z.strictObject({ path: text, entity: z.string() });

const layout = z.strictObject({
  device: z.strictObject({ label: text, path: text, init_disk: flag, disk_name: text }).nullish(),
  add_partitions: z
    .array(z.strictObject({ fsLabel: text, size: mebibytes, pLabel: text, filesystem: text, bootable: flag }))
    .nullish(),
  expand_partition: z.strictObject({ size: mebibytes }).nullish(),
});

const unitOverride = z.strictObject({ service: z.string(), name: text, content: z.string() });

/** Everything a step may hold. The order of modules within a step is fixed; see the stage engine. */
export const step = z
  .strictObject({
    name: text,
    after: z.array(z.strictObject({ name: z.string() })).nullish(),
    node: text.describe('Regular expression on the host name'),
    if: text.describe('Shell condition; exit code 0 runs the step'),
    only_os: text.describe('Regular expression on the name of the operating system'),
    only_os_version: text.describe('Regular expression on VERSION_ID'),
    only_arch: text,
    only_service_manager: text.describe('systemd or openrc'),
    if_files: z.strictObject({ any: texts, all: texts, none: texts }).nullish(),
    dns: z.strictObject({ nameservers: texts, search: texts, options: texts, path: text }).nullish(),
    downloads: z.array(download).nullish(),
    git: z
      .strictObject({
        url: text,
        path: text,
        branch: text,
        branch_only: flag,
        auth: z
          .strictObject({
            username: text,
            password: text,
            private_key: text,
            public_key: text,
            insecure: flag,
          })
          .nullish(),
      })
      .nullish(),
    ensure_entities: z.array(entity).nullish(),
    delete_entities: z.array(entity).nullish(),
    directories: z.array(directory).nullish(),
    files: z.array(file).nullish(),
    commands: z.array(z.string()).nullish(),
    hostname: text,
    sysctl: textMap,
    users: stageUsers,
    authorized_keys: z.record(z.string(), texts).nullish(),
    modules: texts,
    timesyncd: textMap,
    systemctl: z
      .strictObject({
        enable: texts,
        disable: texts,
        start: texts,
        mask: texts,
        overrides: z.array(unitOverride).nullish(),
      })
      .nullish(),
    environment: textMap,
    environment_file: text,
    systemd_firstboot: textMap,
    datasource: z.strictObject({ providers: texts, path: text, userdata_name: text }).nullish(),
    layout: layout.nullish(),
    package_pins: textMap,
    packages: z.strictObject({ install: texts, remove: texts, refresh: flag, upgrade: flag }).nullish(),
    unpack_images: z
      .array(z.strictObject({ source: z.string(), target: z.string(), platform: text }))
      .nullish(),
  })
  .describe('A step of a stage');

export const stages = z.record(z.string(), z.array(step.nullable()).nullish()).nullish();
/** A file of the list at the root. */
export const writeFile = file.extend({ defer: flag });

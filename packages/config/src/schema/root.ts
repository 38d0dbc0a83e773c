import { z } from 'zod';
import { bundle, grubOptions, install, reset, upgrade } from './install.ts';
import { count, flag, looseText, text, textMap, texts } from './kinds.ts';
import { distribution, kubevip, p2p } from './kubernetes.ts';
import { stages, writeFile } from './stages.ts';
import { user } from './users.ts';

const kcryptKeys = { nv_index: text, c_index: text, tpm_device: text } as const;

/**
 * The whole of a cloud-config. Keys at the root that are not here belong to someone else (a bundle, a provider) and
 * are kept; below the root, unknown keys are mistakes.
 */
export const root = z.looseObject({
  name: text,
  config_url: text.describe('URL of a further configuration, merged in'),
  options: z.union([z.record(z.string(), looseText), z.array(z.string())]).nullish(),
  debug: flag,
  strict: flag.describe('Errors in the stages of installing, upgrading and resetting are fatal'),
  env: texts,
  'cloud-init-paths': texts,
  'eject-cd': flag,
  bundles: z.array(bundle).nullish(),
  fail_on_bundles_errors: flag,
  grub_options: grubOptions,
  cosign: flag,
  verify: flag,
  'cosign-key': text,
  arch: text,
  'squash-compression': texts,
  'squash-no-compression': flag,
  'uki-max-entries': count,
  'bind-pcrs': z.array(looseText).nullish(),
  'bind-public-pcrs': z.array(looseText).nullish(),
  logs: z.strictObject({ journal: texts, files: texts }).nullish(),
  phonehome: z
    .strictObject({
      url: text,
      registration_token: text,
      group: text,
      labels: textMap,
      heartbeat_interval: text,
      reconnect_backoff: text,
      artifact_download_retries: count,
      artifact_download_retry_interval: text,
      allowed_commands: texts,
    })
    .nullish(),
  webui: z.strictObject({ disable: flag, listen_address: text }).nullish(),
  providers: z.strictObject({ paths: texts, timeouts: textMap }).nullish(),
  extensions: z
    .strictObject({ policy: z.enum(['any', 'verity', 'signed']).nullish() })
    .nullish()
    .describe('What a sysext or confext has to prove before it is installed'),
  kcrypt: z
    .strictObject({
      ...kcryptKeys,
      challenger: z
        .strictObject({ challenger_server: text, mdns: flag, certificate: text, ...kcryptKeys })
        .nullish(),
    })
    .nullish(),
  users: z.array(z.union([user, z.literal('default')])).nullish(),
  ssh_authorized_keys: texts,
  hostname: text,
  write_files: z.array(writeFile).nullish(),
  runcmd: z.array(z.union([z.string(), z.array(looseText)]).nullable()).nullish(),
  growpart: z.strictObject({ devices: texts }).nullish(),
  install: install.nullish(),
  upgrade: upgrade.nullish(),
  reset: reset.nullish(),
  stages,
  k3s: distribution,
  'k3s-agent': distribution,
  k0s: distribution,
  'k0s-worker': distribution,
  p2p: p2p.nullish(),
  kubevip,
});

/** A cloud-config as its readers see it. */
export type CloudConfig = z.infer<typeof root>;

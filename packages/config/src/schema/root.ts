import { z } from 'zod';
import { health, watchdog } from './health.ts';
import { bundle, grubOptions, install, reset, upgrade } from './install.ts';
import { count, flag, looseText, text, textMap, texts } from './kinds.ts';
import { distribution, kubevip, p2p } from './kubernetes.ts';
import { stages, writeFile } from './stages.ts';
import { user } from './users.ts';

const kcryptKeys = {
  nv_index: text.describe('Index of the TPM for the key'),
  c_index: text.describe('Index of the TPM for the certificate'),
  tpm_device: text.describe('Device of the TPM'),
} as const;

/**
 * The whole of a cloud-config. Keys at the root that are not here belong to someone else (a bundle, a provider) and
 * are kept; below the root, unknown keys are mistakes.
 */
export const root = z.looseObject({
  name: text.describe('Name of this file, for after of steps'),
  config_url: text.describe('URL of a further configuration, merged in'),
  options: z
    .union([z.record(z.string(), looseText), z.array(z.string())])
    .nullish()
    .describe('Options of providers and of older versions'),
  debug: flag.describe('More in the log'),
  strict: flag.describe('Errors in the stages of installing, upgrading and resetting are fatal'),
  env: texts.describe('Environment of the programs that the agent runs: NAME=VALUE'),
  'cloud-init-paths': texts.describe('Further directories of stages'),
  'eject-cd': flag.describe('Eject the medium when the machine goes down'),
  bundles: z.array(bundle).nullish().describe('Bundles installed at the first boot'),
  fail_on_bundles_errors: flag.describe('A bundle that cannot be installed is fatal'),
  grub_options: grubOptions.describe("Variables of GRUB's environment, set at the first boot"),
  cosign: flag.describe('Verify images with cosign'),
  verify: flag.describe('Verify the digest of images'),
  'cosign-key': text.describe('Public key of cosign'),
  arch: text.describe('Architecture of images to take; default: that of the node'),
  'squash-compression': texts.describe('Options of mksquashfs'),
  'squash-no-compression': flag.describe('Images are not compressed'),
  'uki-max-entries': count.describe('Boot entries that are kept'),
  'bind-pcrs': z.array(looseText).nullish().describe('PCRs to which keys are bound'),
  'bind-public-pcrs': z
    .array(looseText)
    .nullish()
    .describe('PCRs to which keys are bound by a signed policy'),
  logs: z
    .strictObject({
      journal: texts.describe('Units whose journal is taken'),
      files: texts.describe('Files that are taken; globs'),
    })
    .nullish()
    .describe('What the command logs collects'),
  phonehome: z
    .strictObject({
      url: text.describe('URL of the server'),
      registration_token: text.describe('Token to register with'),
      group: text.describe('Group of the node'),
      labels: textMap.describe('Labels of the node'),
      heartbeat_interval: text.describe('Time between signs of life; default 30s'),
      reconnect_backoff: text.describe('Longest time between attempts to connect'),
      artifact_download_retries: count.describe('Further attempts to download; default 3'),
      artifact_download_retry_interval: text.describe('Time between attempts; default 5s'),
      allowed_commands: texts.describe(
        'What the server may ask for; default upgrade, upgrade-recovery, reboot, unregister',
      ),
    })
    .nullish()
    .describe('A fleet server that the node reports to'),
  webui: z
    .strictObject({
      disable: flag.describe('No web page'),
      listen_address: text.describe('Address to listen on; default :8080'),
    })
    .nullish()
    .describe('The installer as a web page'),
  providers: z
    .strictObject({
      paths: texts.describe('Further directories of plug-ins'),
      timeouts: textMap.describe('Longest time of a plug-in, by event'),
    })
    .nullish()
    .describe('Plug-ins'),
  extensions: z
    .strictObject({
      policy: z
        .enum(['any', 'verity', 'signed'])
        .nullish()
        .describe('any takes every image, verity wants one that is protected, signed one that is signed'),
    })
    .nullish()
    .describe('What a sysext or confext has to prove before it is installed'),
  kcrypt: z
    .strictObject({
      ...kcryptKeys,
      challenger: z
        .strictObject({
          challenger_server: text.describe('URL of the key server'),
          mdns: flag.describe('Find the key server by multicast DNS'),
          certificate: text.describe('Certificate of the key server'),
          ...kcryptKeys,
        })
        .nullish()
        .describe('The key server'),
    })
    .nullish()
    .describe('Encrypted partitions and where their keys come from'),
  users: z
    .array(z.union([user, z.literal('default')]))
    .nullish()
    .describe('Users of the node'),
  ssh_authorized_keys: texts.describe('Public keys for every user of users, for root where there is none'),
  hostname: text.describe('Name of the node; may be a template'),
  write_files: z.array(writeFile).nullish().describe('Files written in stage boot'),
  runcmd: z
    .array(z.union([z.string(), z.array(looseText)]).nullable())
    .nullish()
    .describe('Commands run in stage boot: texts for a shell, or lists of words'),
  growpart: z
    .strictObject({ devices: texts.describe('Devices of the partitions') })
    .nullish()
    .describe('Partitions that grow to the end of their disk'),
  install: install.nullish().describe('How the node is installed'),
  upgrade: upgrade.nullish().describe('How the node is upgraded'),
  reset: reset.nullish().describe('How the node is reset'),
  health: health.nullish().describe('When a boot is good'),
  watchdog: watchdog.describe('Restart the machine when it hangs, after it has proved good too'),
  stages: stages.describe(
    'Steps by stage: rootfs, initramfs, fs, boot, network, reconcile, and those around operations',
  ),
  k3s: distribution.describe('k3s as a server'),
  'k3s-agent': distribution.describe('k3s as an agent'),
  k0s: distribution.describe('k0s as a controller'),
  'k0s-worker': distribution.describe('k0s as a worker'),
  p2p: p2p.nullish().describe('The peer-to-peer network of the cluster'),
  kubevip: kubevip.describe('A virtual address of the control plane by kube-vip'),
});

/** A cloud-config as its readers see it. */
export type CloudConfig = z.infer<typeof root>;

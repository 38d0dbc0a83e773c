import { z } from 'zod';
import { count, flag, looseText, text, textMap, texts } from './kinds.ts';

/** A Kubernetes distribution on the node: `k3s`, `k3s-agent`, `k0s`, `k0s-worker`. */
export const distribution = z
  .strictObject({
    enabled: flag,
    env: textMap,
    args: texts,
    replace_env: flag,
    replace_args: flag,
    embedded_registry: flag,
  })
  .nullish();

export const p2p = z
  .strictObject({
    network_token: text,
    network_id: text,
    role: z.enum(['', 'none', 'master', 'worker']).nullish(),
    dns: flag,
    disable_dht: flag,
    loglevel: text,
    minimum_nodes: count,
    dynamic_roles: flag,
    vpn: z.strictObject({ create: flag, use: flag, env: textMap }).nullish(),
    auto: z
      .strictObject({
        enable: flag,
        ha: z.strictObject({ enable: flag, external_db: text, master_nodes: count }).nullish(),
      })
      .nullish(),
  })
  .describe('The peer-to-peer network of the cluster');

export const kubevip = z
  .strictObject({
    eip: text,
    manifest_url: text,
    interface: text,
    enable: flag,
    static_pod: flag,
    version: looseText,
    image: text,
  })
  .nullish();

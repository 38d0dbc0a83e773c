import { z } from 'zod';
import { count, flag, looseText, text, textMap, texts } from './kinds.ts';

/** A Kubernetes distribution on the node: `k3s`, `k3s-agent`, `k0s`, `k0s-worker`. */
export const distribution = z
  .strictObject({
    enabled: flag.describe('Run it on this node'),
    env: textMap.describe('Environment of the service'),
    args: texts.describe('Arguments of the service'),
    replace_env: flag.describe('Only env, instead of beside what the provider sets'),
    replace_args: flag.describe('Only args, instead of beside what the provider sets'),
    embedded_registry: flag.describe('Share images between nodes'),
  })
  .nullish();

export const p2p = z
  .strictObject({
    network_token: text.describe(
      'Token that the nodes of a network share; kairos-agent or edgevpn makes one',
    ),
    network_id: text.describe('Tells networks with the same token apart'),
    role: z
      .enum(['', 'none', 'master', 'worker'])
      .nullish()
      .describe('Role of this node; default: found out by the network'),
    dns: flag.describe('Names of nodes are resolved on the network'),
    disable_dht: flag.describe('Find other nodes by multicast only, not over the internet'),
    loglevel: text.describe('debug, info, warn or error'),
    minimum_nodes: count.describe('Nodes to wait for before roles are given'),
    dynamic_roles: flag.describe('Roles may change after they were given'),
    vpn: z
      .strictObject({
        create: flag.describe('Make a VPN between the nodes'),
        use: flag.describe('Kubernetes uses the addresses of the VPN'),
        env: textMap.describe('Environment of the VPN service'),
      })
      .nullish()
      .describe('The VPN between the nodes'),
    auto: z
      .strictObject({
        enable: flag.describe('The network gives roles and makes the cluster; needs network_token'),
        ha: z
          .strictObject({
            enable: flag.describe('Several control planes; needs auto.enable'),
            external_db: text.describe('Address of an external database'),
            master_nodes: count.describe('Further control planes'),
          })
          .nullish()
          .describe('High availability'),
      })
      .nullish()
      .describe('Clusters that form by themselves'),
  })
  .describe('The peer-to-peer network of the cluster');

export const kubevip = z
  .strictObject({
    eip: text.describe('Virtual address of the control plane'),
    manifest_url: text.describe('URL of the manifest instead of the built-in one'),
    interface: text.describe('Network interface; default: that of the default route'),
    enable: flag.describe('Install kube-vip'),
    static_pod: flag.describe('As a static pod instead of a daemon set'),
    version: looseText.describe('Version of kube-vip'),
    image: text.describe('Image of kube-vip'),
  })
  .nullish();

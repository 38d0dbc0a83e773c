/** Paths that people's files and scripts depend on. */
export const paths = {
  /** Sentinels and the layout environment, written at boot. */
  runCos: '/run/cos',
  layoutEnv: '/run/cos/cos-layout.env',
  extraLayoutEnv: '/run/cos/extra-layout.env',
  customLayoutEnv: '/run/cos/custom-layout.env',
  /** The partition that holds the booted slot, read-only. */
  cosState: '/run/initramfs/cos-state',
  /** The installation medium on a live boot. */
  live: '/run/initramfs/live',
  /** The read-only system image below a live root. */
  rootfsBase: '/run/rootfsbase',
  immucoreRun: '/run/immucore',
  bootReport: '/run/immucore/boot-report.json',
  /** What the stages run by units did, one file a stage. */
  stageRecords: '/run/immucore/stages',
  /** What became of the extensions that are enabled for this start, one file a kind. */
  extensionRecords: '/run/immucore/extensions',
  immucoreLog: '/run/immucore/immucore.log',
  /** What `config_url` named, as stages of this boot fetched it. */
  linkedConfigs: '/run/kairos/linked-configs',
  systemOem: '/system/oem',
  oem: '/oem',
  cloudConfig: '/usr/local/cloud-config',
  persistent: '/usr/local',
  stateTarget: '/usr/local/.state',
  kairosRelease: '/etc/kairos-release',
  osRelease: '/etc/os-release',
  /** Where an image keeps the executable; the other names are symbolic links to it. */
  executable: '/usr/bin/kairos',
  providers: '/system/providers',
  installRecord: '/usr/local/.kairos-state',
} as const;

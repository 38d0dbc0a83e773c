import { listReleases, releasesToYaml } from '@kairos/agent/commands/list-releases';
import { pullImage } from '@kairos/agent/commands/pull-image';
import {
  type Artifact,
  baseContainerName,
  bootableName,
  containerName,
  osReleaseVariables,
} from '@kairos/agent/sources/artifact-name';
import { formatSize } from '@kairos/facts/size';
import { machineHost } from '@kairos/host/machine';
import type {
  ArtifactFlag,
  ListReleasesFlags,
  PullImageFlags,
  VersioneerVerb,
} from './commands/agent-releases.ts';
import { interruptible } from './interrupt.ts';
import { ProgressLine } from './progress.ts';

export async function listReleasesVerb(flags: ListReleasesFlags): Promise<string> {
  const { registry, pre, all, output } = flags;
  const { signal, done } = interruptible();
  try {
    const list = await listReleases(machineHost(), {
      ...(registry === undefined ? {} : { registry }),
      ...{ pre, all, signal, insecure: flags.allowInsecureRegistries },
      warn: (message) => process.stderr.write(`warning: ${message}\n`),
    });
    if (flags.json || output === 'json') return `${JSON.stringify(list)}\n`;
    if (output === 'yaml') return releasesToYaml(list);
    if (list.releases.length === 0) {
      return all
        ? `No release in ${list.from} fits this node\n`
        : `No release in ${list.from} is newer than ${list.current}\n`;
    }
    return list.releases.map(({ source }) => `${source}\n`).join('');
  } finally {
    done();
  }
}

export async function pullImageVerb(
  image: string,
  directory: string,
  flags: PullImageFlags,
): Promise<string> {
  const { platform, json } = flags;
  const line = new ProgressLine(process.stderr, json);
  const { signal, done } = interruptible();
  try {
    const pulled = await pullImage(machineHost(), image, directory, {
      ...(platform === undefined ? {} : { platform }),
      ...{ signal, insecure: flags.allowInsecureRegistries, onProgress: line.report },
    });
    line.end();
    if (json) return `${JSON.stringify(pulled)}\n`;
    return `${pulled.entries} entries, ${formatSize(pulled.bytes)}, of ${pulled.digest} are in ${directory}\n`;
  } finally {
    line.end();
    done();
  }
}

export function versioneerVerb(verb: VersioneerVerb, value: (flag: ArtifactFlag) => string): string {
  const artifact: Artifact = {
    flavor: value('flavor'),
    flavorRelease: value('flavorRelease'),
    variant: value('variant'),
    model: value('model'),
    arch: value('arch'),
    version: value('version'),
    softwareVersion: value('softwareVersion'),
    softwareVersionPrefix: value('softwareVersionPrefix'),
    family: value('family'),
  };
  const registry = value('registryAndOrg');
  switch (verb) {
    case 'container-artifact-name':
      return `${containerName(artifact, registry)}\n`;
    case 'bootable-artifact-name':
      return `${bootableName(artifact)}\n`;
    case 'base-container-artifact-name':
      return `${baseContainerName(artifact, registry, value('id'))}\n`;
    case 'os-release-variables':
      return osReleaseVariables(artifact, {
        registryAndOrg: registry,
        githubRepo: value('githubRepo'),
        bugReportUrl: value('bugReportUrl'),
        projectHomeUrl: value('projectHomeUrl'),
      });
  }
}

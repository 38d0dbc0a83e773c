import { maximumFileSize } from '@kairos/config/collect';
import { type Document, parseDocument } from '@kairos/config/document';
import { headerOf } from '@kairos/config/document-header';
import { kernelArgumentsDocument } from '@kairos/config/kernel-arguments';
import { followRemote, nextUrl, type RemoteReader } from '@kairos/config/remote';
import type { Host } from '@kairos/host/host';
import { filesOfDirectories } from './collect.ts';
import type { StageProblem } from './problem.ts';
import { localPath } from './remote-reader.ts';

/** Stages that run before anything has brought up the network. */
const beforeNetwork: ReadonlySet<string> = new Set(['rootfs', 'initramfs', 'fs', 'boot']);
/** Stages that are over when the first one with a network begins. */
const missedStages = [...beforeNetwork].flatMap((stage) => [`${stage}.before`, stage, `${stage}.after`]);

/** Whether packets can go anywhere: a default route of IPv4 or IPv6 (/proc/net/route, /proc/net/ipv6_route). */
export function hasDefaultRoute(host: Host): boolean {
  const rows = (path: string) =>
    (host.files.readTextIfAny(path) ?? '').split('\n').map((line) => line.trim().split(/\s+/));
  return (
    rows('/proc/net/route').some(
      ([name, destination, , flags, , , , mask]) =>
        name !== 'Iface' &&
        destination === '00000000' &&
        mask === '00000000' &&
        (Number(`0x${flags}`) & 1) === 1,
    ) ||
    rows('/proc/net/ipv6_route').some(
      (row) =>
        row[0] === '0'.repeat(32) && row[1] === '00' && row.at(-1) !== undefined && row.at(-1) !== 'lo',
    )
  );
}

/** Documents of the directories that name a further one. Files without that word are not parsed. */
function documentsWithLinks(host: Host, directories: readonly string[]): Document[] {
  return filesOfDirectories(host, directories).flatMap(({ path }) => {
    try {
      const text = host.files.readOrdinaryText(path, maximumFileSize);
      if (!text.includes('config_url') || headerOf(text) === undefined) return [];
      const document = parseDocument(text, path);
      return nextUrl(document) === undefined ? [] : [document];
    } catch {
      // The run of the stage reports what is wrong with a file.
      return [];
    }
  });
}

/** The stages of a document that a stage with a network cannot make good any more. */
function tooLate(document: Document): StageProblem[] {
  const stages = (document.value as { stages?: unknown } | null)?.stages;
  if (typeof stages !== 'object' || stages === null) return [];
  return Object.keys(stages)
    .filter((name) => missedStages.includes(name))
    .map((name) => ({
      severity: 'warning',
      code: 'STAGE_TOO_LATE',
      message: `stage ${name} of this document has no effect at this boot: it came over the network, after that stage`,
      position: document.keyPositionOf(['stages', name]),
      hint: 'Put the steps into stage network, or the document on the OEM partition',
    }));
}

export interface OutsideDocuments {
  /** In the order in which their steps run: what is linked to comes before what names it. */
  readonly documents: readonly Document[];
  readonly problems: readonly StageProblem[];
  /** Addresses that wait for the network. */
  readonly postponed: readonly string[];
}

/**
 * What a stage runs beside the files of its directories: documents that `config_url` names, in a file or on the kernel's
 * command line, and the settings of that command line itself. Before the network is up, addresses wait for a stage in
 * which it is, unless there is a route already. With `commandLine: false` the kernel's is left out.
 */
export async function outsideDocuments(
  host: Host,
  stage: string,
  directories: readonly string[],
  reader: RemoteReader,
  options: { readonly commandLine?: boolean } = {},
): Promise<OutsideDocuments> {
  const cmdline = host.files.readTextIfAny('/proc/cmdline') ?? '';
  const given = (options.commandLine ?? true) ? kernelArgumentsDocument(cmdline) : undefined;
  const documents: Document[] = [];
  const problems: StageProblem[] = [];
  const postponed: string[] = [];
  const early = beforeNetwork.has(stage);
  for (const document of [
    ...documentsWithLinks(host, directories),
    ...(given === undefined ? [] : [given]),
  ]) {
    const url = nextUrl(document);
    if (url !== undefined) {
      if (localPath(url) === undefined && early && !hasDefaultRoute(host)) postponed.push(url);
      else {
        const chain = await followRemote(document, reader);
        problems.push(...chain.problems);
        documents.push(...chain.documents.toReversed());
        if (stage === 'network') {
          for (const each of chain.documents)
            if (localPath(each.file) === undefined) problems.push(...tooLate(each));
        }
      }
    }
    if (document === given) documents.push(document);
  }
  return { documents, problems, postponed };
}

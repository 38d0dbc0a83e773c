import { readDocument } from '@kairos/config/collect';
import type { Document } from '@kairos/config/document';
import { plainValue, treeOfDocument } from '@kairos/config/tree';
import { KairosError } from '@kairos/facts/errors';
import { type CollectedConfig, isMapping } from '../collect-config.ts';
import type { NodeProviders } from './node-providers.ts';
import { qrCode } from './qr-code.ts';
import { installationToken, pairedConfiguration } from './questions.ts';

/** The name by which errors call what the other machine sent. */
const sourceName = 'the paired machine';

const otherWays =
  'Set `install.auto: true` in a cloud-config of the medium, or install with ' +
  '`kairos-agent interactive-install`, `kairos-agent webui` or `kairos-agent manual-install FILE`';

/**
 * Puts a document over a configuration: each key at its root takes the place of that key as a whole, as the field has
 * it, so that what somebody sends is what they get.
 */
export function overlaid(collected: CollectedConfig, document: Document): CollectedConfig {
  const over = treeOfDocument(document);
  if (over.kind !== 'map' || collected.tree.kind !== 'map') throw new Error('a cloud-config is a map');
  const tree = collected.tree.withEntries(new Map([...collected.tree.entries, ...over.entries]));
  const config = plainValue(tree);
  return {
    ...collected,
    tree,
    config: isMapping(config) ? config : {},
    documents: [...collected.documents, document],
  };
}

/**
 * Installs nothing yet: shows a QR code and waits until another machine has sent a configuration.
 * @param show prints for the person in front of the machine
 * @throws KairosError `INSTALL_NOT_ASKED` where there is no plug-in to pair with, `NO_ANSWER`, `ANSWER_INVALID`,
 *   `PAIRED_CONFIG_INVALID`
 */
export async function pair(
  { bus, collected, config }: NodeProviders,
  show: (text: string) => void,
): Promise<CollectedConfig> {
  if (bus.providers.length === 0) {
    throw new KairosError(
      'INSTALL_NOT_ASKED',
      'The configuration does not ask for an unattended installation, and there is no plug-in that pairs this machine with another',
      {
        exit: 'wrongState',
        hint: otherWays,
        details: { read: collected.documents.map(({ file }) => file) },
      },
    );
  }
  const token = await installationToken(bus, config);
  show(
    `${qrCode(token)}\nScan this code from another machine to install this one (kairosctl register).\n` +
      `Waiting; Ctrl-C stops. ${otherWays}.\n`,
  );
  const text = await pairedConfiguration(bus, { token, config });
  const { documents, problems } = readDocument(text, sourceName, { headerNeeded: false });
  const [document] = documents;
  if (document === undefined) {
    throw new KairosError(
      'PAIRED_CONFIG_INVALID',
      `What the other machine sent is not a cloud-config: ${problems.map(({ message }) => message).join('; ')}`,
      { exit: 'invalidInput' },
    );
  }
  if (document.value === null) return collected;
  return overlaid(collected, document);
}

import type { KeyObject } from 'node:crypto';
import type { CloudConfig } from '@kairos/config/schema/root';
import { isSystemError, KairosError } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { parsePublicKeys, verifySignature } from '@kairos/oci/signature';
import type { SourceOptions } from './image-source.ts';

type PolicyKeys = Pick<CloudConfig, 'verify' | 'cosign' | 'cosign-key'>;

/** Whether images have to be signed: `verify` or `cosign` say so, or a key is given and `verify` is not `false`. */
export function wantsSignature(config: PolicyKeys): boolean {
  return Boolean(config.verify || config.cosign || (config['cosign-key'] && config.verify !== false));
}

/**
 * The keys by which images have to be signed: `cosign-key` is a file, `env://NAME`, or the key itself.
 * @throws KairosError `SIGNATURE_KEY_MISSING`, `SIGNATURE_KEY_INVALID`
 */
export function signatureKeys(
  host: Host,
  config: PolicyKeys,
  env: Readonly<Record<string, string | undefined>> = process.env,
): KeyObject[] {
  const given = config['cosign-key'];
  if (!given) {
    throw new KairosError(
      'SIGNATURE_KEY_MISSING',
      'Images have to be signed, and it is not said by which key',
      {
        exit: 'invalidInput',
        hint: 'Name the file of the public key as cosign-key; signatures without a key (by identity) cannot be checked here',
      },
    );
  }
  if (given.includes('-----BEGIN')) return parsePublicKeys(given, 'cosign-key');
  const [, scheme, rest = ''] = /^([a-z0-9]+):\/\/(.*)$/.exec(given) ?? [];
  if (scheme === 'env') return parsePublicKeys(env[rest] ?? '', `The environment variable ${rest}`);
  if (scheme !== undefined && scheme !== 'file') {
    throw new KairosError(
      'SIGNATURE_KEY_INVALID',
      `cosign-key: keys of the kind ${scheme}:// cannot be read`,
      {
        exit: 'invalidInput',
        hint: 'Write the public key to a file of the node, for example below /oem, and name that',
      },
    );
  }
  const path = scheme === 'file' ? rest : given;
  let text: string;
  try {
    text = host.files.readText(path);
  } catch (cause) {
    if (!isSystemError(cause, 'ENOENT', 'ENOTDIR', 'EACCES', 'EISDIR')) throw cause;
    throw new KairosError('SIGNATURE_KEY_MISSING', `cosign-key: ${path} cannot be read`, {
      exit: 'notFound',
      cause,
    });
  }
  return parsePublicKeys(text, path);
}

/**
 * Refuses an image that is not signed as the configuration wants it, before any of it is used. Nothing is asked where the
 * configuration wants nothing.
 * @throws KairosError `SIGNATURE_MISSING`, `SIGNATURE_INVALID`, `SIGNATURE_KEY_MISSING`, `SIGNATURE_KEY_INVALID`
 */
export function signatureApproval(
  host: Host,
  config: PolicyKeys,
  tell: (message: string) => void = () => undefined,
): NonNullable<SourceOptions['approve']> {
  return async ({ shown, opened, digest }) => {
    if (!wantsSignature(config)) return;
    const keys = signatureKeys(host, config);
    const { content, registry } = opened;
    if (content === undefined) {
      throw new KairosError('SIGNATURE_MISSING', `${shown} is no place where signatures are kept`, {
        exit: 'unsuitableImage',
        hint: 'The configuration wants signed images: name a registry, a layout or an archive, or set verify: false',
      });
    }
    // A signature of the index covers all that it names; one of the manifest covers what is copied.
    const roots = registry === undefined ? [] : (await content.roots()).map((root) => root.digest);
    const signed = await verifySignature({ name: shown, content, registry }, [...roots, digest], keys);
    tell(`the signature of ${signed} is right`);
  };
}

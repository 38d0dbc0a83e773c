import { KairosError, reasonOf } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import { z } from 'zod';

/** Certificates that vouch for signed extensions; where systemd looks for them too. */
export const certificateDirectories = ['/etc/verity.d', '/run/verity.d', '/usr/lib/verity.d'] as const;

/** The signature partition of a disk image (Discoverable Partitions Specification, "Verity signature"). */
const signatureSchema = z.object({
  rootHash: z.string().regex(/^[0-9a-f]{40,128}$/i),
  signature: z.base64(),
});

function invalid(name: string, reason: string): KairosError {
  return new KairosError('SIGNATURE_INVALID', `The signature of ${name} is not good: ${reason}`, {
    exit: 'corruptSource',
    hint: `Certificates are read from ${certificateDirectories.join(', ')} (*.crt)`,
  });
}

/** Files of certificates. */
export function certificatesOf(host: Host): string[] {
  return certificateDirectories.flatMap((directory) =>
    host.files
      .list(directory)
      .filter((name) => name.endsWith('.crt'))
      .map((name) => `${directory}/${name}`),
  );
}

/**
 * Checks that one of the node's certificates signed a root hash. The signature is PKCS#7 over the hash's hexadecimal
 * text, made as systemd-repart does, and checked as systemd does: by the certificates given, whose own chain does not matter.
 * @throws KairosError `SIGNATURE_INVALID`, `TOOL_MISSING` without openssl
 */
export async function checkSignature(
  host: Host,
  partition: Uint8Array,
  rootHash: string,
  name: string,
): Promise<void> {
  let given: z.infer<typeof signatureSchema>;
  try {
    given = signatureSchema.parse(JSON.parse(Buffer.from(partition).toString('utf8').replace(/\0+$/, '')));
  } catch (error) {
    throw invalid(name, `it cannot be read (${reasonOf(error).split('\n')[0]})`);
  }
  if (given.rootHash.toLowerCase() !== rootHash) {
    throw invalid(name, `it is for the root hash ${given.rootHash}, the image has ${rootHash}`);
  }
  const certificates = certificatesOf(host);
  if (certificates.length === 0) throw invalid(name, 'this system has no certificates to check it with');
  const { files } = host;
  const folder = `/run/kairos-agent/signature-${crypto.randomUUID()}`;
  files.makeDirectory(folder, { mode: 0o700 });
  try {
    files.write(`${folder}/hash`, rootHash);
    files.write(`${folder}/signature`, Buffer.from(given.signature, 'base64'));
    files.write(`${folder}/certificates`, certificates.map((path) => files.readText(path)).join('\n'));
    const real = (file: string) => files.real(`${folder}/${file}`);
    await host
      .run([
        ...(['openssl', 'smime', '-verify', '-binary', '-inform', 'DER', '-nointern', '-noverify'] as const),
        ...['-in', real('signature'), '-content', real('hash'), '-certfile', real('certificates')],
        ...['-out', real('out')],
      ])
      .catch((error: unknown) => {
        if (error instanceof KairosError && error.code === 'TOOL_MISSING') throw error;
        throw invalid(name, `none of ${certificates.join(', ')} made it`);
      });
  } finally {
    files.remove(folder);
  }
}

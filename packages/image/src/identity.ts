import { createHash } from 'node:crypto';
import type { ImageManifest } from '@kairos/facts/image-manifest';
import type { RootTree } from '@kairos/host/root-tree';
import type { Kernel } from './kernel.ts';

/** What the identifiers in an image are derived from: equal for two builds of the same image. */
export function imageSeed({
  name,
  version,
  architecture,
  model,
  kernel,
}: Pick<ImageManifest, 'name' | 'version' | 'architecture' | 'model' | 'kernel'>): string {
  return [name, version, architecture, model, kernel].join('\n');
}

/** Seconds since 1970 that a root itself speaks of: when its distribution or its kernel was last changed. */
export function epochOf(tree: RootTree, kernel: Kernel): number {
  const times = ['/etc/os-release', '/usr/lib/os-release', kernel.image].map(
    (path) => tree.status(path)?.modified ?? 0,
  );
  return Math.floor(Math.max(...times) / 1000);
}

/** A UUID (RFC 9562, version 8) that a seed alone decides about. */
export function seededUuid(seed: string, purpose: string): string {
  const bytes = createHash('sha256').update(`${purpose}\n${seed}`).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** 32 bytes in hexadecimal digits that a seed alone decides about. */
export function seededHex(seed: string, purpose: string): string {
  return createHash('sha256').update(`${purpose}\n${seed}`).digest('hex');
}

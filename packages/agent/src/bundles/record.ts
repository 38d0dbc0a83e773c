import type { HostFiles } from '@kairos/host/host';
import { z } from 'zod';

const schema = z.object({
  schemaVersion: z.literal(1),
  bundles: z.array(
    z.object({
      target: z.string(),
      root: z.string(),
      /** Of the image's manifest. */
      digest: z.string(),
      /** RFC 3339. */
      installed: z.string(),
    }),
  ),
});
export type InstalledBundle = z.infer<typeof schema>['bundles'][number];

const pathOf = (database: string) => `${database}/bundles.json`;

/** What is installed; nothing where there is no record. One that cannot be read is put aside as `.bak`. */
export function readBundleRecord(files: HostFiles, database: string): InstalledBundle[] {
  const path = pathOf(database);
  const text = files.readTextIfAny(path);
  if (text === undefined) return [];
  try {
    return schema.parse(JSON.parse(text)).bundles;
  } catch {
    files.rename(path, `${path}.bak`);
    return [];
  }
}

/** Notes that a bundle is installed, instead of what was noted of it before. */
export function recordBundle(files: HostFiles, database: string, bundle: InstalledBundle): void {
  const others = readBundleRecord(files, database).filter(
    ({ target, root }) => target !== bundle.target || root !== bundle.root,
  );
  const content = { schemaVersion: 1, bundles: [...others, bundle] };
  files.write(pathOf(database), `${JSON.stringify(content, undefined, 2)}\n`);
}

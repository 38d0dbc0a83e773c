import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DirectoryHost, directoryHost } from '@kairos/host/directory';
import { openImageSource } from './image-source.ts';

let folder: string;
let host: DirectoryHost;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'source-'));
  host = directoryHost(folder);
  host.files.makeDirectory('/empty');
  host.files.write('/slot/image.json', '{ torn');
  host.files.write('/layout/oci-layout', '{"imageLayoutVersion":"1.0.0"}');
  host.files.write('/layout/index.json', '{"schemaVersion":2,"manifests":[]}');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  ['dir:/empty', 'NO_BOOT_FORM', 'unsuitableImage'],
  ['oci:/layout', 'NO_BOOT_FORM', 'unsuitableImage'],
  ['/layout', 'NO_BOOT_FORM', 'unsuitableImage'],
  ['dir:/slot', 'IMAGE_MANIFEST_INVALID', 'corruptSource'],
  ['dir:/nowhere', 'SOURCE_NOT_FOUND', 'notFound'],
  ['dir:', 'SOURCE_NOT_FOUND', 'notFound'],
  ['ocifile:/slot/image.json', 'TAR_TRUNCATED', 'corruptSource'],
  ['file:/slot', 'SOURCE_UNSUPPORTED', 'usage'],
])('%s is refused with %s', async (uri, code, exit) => {
  await expect(openImageSource(host, uri)).rejects.toMatchObject({ code, exit });
});

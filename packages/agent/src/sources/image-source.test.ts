import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KairosError } from '@kairos/facts/errors';
import { type DirectoryHost, directoryHost } from '@kairos/host/directory';
import { openImageSource, parseNodeSource } from './image-source.ts';

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
  ['dir:', 'SOURCE_INVALID', 'invalidInput'],
  ['ocifile:/slot/image.json', 'TAR_TRUNCATED', 'corruptSource'],
  ['ocifile:/nowhere', 'SOURCE_NOT_FOUND', 'notFound'],
  ['https://example.org/image', 'SOURCE_INVALID', 'invalidInput'],
  ['oci:Host/UPPER', 'REFERENCE_INVALID', 'invalidInput'],
])('%s is refused with %s', async (uri, code, exit) => {
  await expect(openImageSource(host, uri)).rejects.toMatchObject({ code, exit });
});

test.each<[string, string, string]>([
  ['quay.io/kairos/debian', 'docker', 'quay.io/kairos/debian'],
  ['debian:13', 'docker', 'debian:13'],
  ['oci:layout', 'docker', 'layout'],
  ['oci://example.org:5000/a@sha256:x', 'docker', 'example.org:5000/a@sha256:x'],
  ['docker:example.org/a:1', 'docker', 'example.org/a:1'],
  ['oci:/layout', 'oci', '/layout'],
  ['oci:./layout', 'oci', './layout'],
  ['../layout', 'oci', '../layout'],
  ['dir:layout', 'dir', 'layout'],
])('%s is read as %s', (uri, scheme, value) => {
  expect(parseNodeSource(uri)).toEqual({ scheme: scheme as 'oci', value });
});

test.each<[string, number, string | undefined]>([
  [
    'oci:layout',
    404,
    'For the folder of that name that is here write dir:./layout. Check the name and the tag',
  ],
  ['layout', 401, 'For the folder of that name that is here write dir:./layout. There are no credentials'],
  ['oci:slot', 404, 'For the folder of that name that is here write dir:./slot. Check the name and the tag'],
  ['oci:Layouts/UPPER', 404, 'For the folder of that name that is here write dir:./Layouts/UPPER. Names are'],
  // Asked for as a reference, no image in it, no folder, and a registry that has it.
  ['docker:layout', 404, 'Check the name'],
  ['oci:empty', 404, 'Check the name'],
  ['oci:nowhere', 404, 'Check the name'],
  ['oci:layout', 200, undefined],
])('%s, which the registry answers with %d: the hint', async (uri, status, hint) => {
  host.files.write('/Layouts/UPPER/oci-layout', '');
  const fetch = async () => new Response('{}', { status });
  const error = await openImageSource(host, uri, { registry: { fetch } }).catch((failure) => failure);
  expect(error).toBeInstanceOf(KairosError);
  if (hint === undefined) expect([error.code, error.hint]).toEqual(['MANIFEST_INVALID', undefined]);
  else expect(error.hint).toStartWith(hint);
});

test('a password in a reference is not shown', async () => {
  const error = await openImageSource(host, 'oci:user:hunter2@example.org/A').catch(String);
  expect(String(error)).not.toContain('hunter2');
});

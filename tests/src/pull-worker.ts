/** Downloads the largest blob of an image into a file and tells what memory that took: `pull-worker REFERENCE FILE`. */
import { listManifests, readManifest } from '@kairos/oci/content';
import { downloadBlob } from '@kairos/oci/download';
import { parseReference } from '@kairos/oci/reference';
import { openRegistry } from '@kairos/oci/registry';
import { peakMemory } from './peak-memory.ts';

const [, , reference = '', path = ''] = process.argv;
const registry = openRegistry(parseReference(reference));
const [first] = await listManifests(registry);
if (first === undefined) throw new Error('no manifest');
const { layers } = await readManifest(registry, first);
const largest = [...layers].sort((a, b) => b.size - a.size)[0];
if (largest === undefined) throw new Error('no layer');
const { fetched } = await downloadBlob(registry, largest, path);
registry.close();
console.log(JSON.stringify({ fetched, megabytes: peakMemory() }));

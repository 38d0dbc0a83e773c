import { afterAll, beforeAll } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLayout } from '@kairos/oci/layout';
import { pushImage } from '@kairos/oci/push';
import { parseReference } from '@kairos/oci/reference';
import { type RegistryServer, startRegistry } from './registry-server.ts';

/** A registry and a folder for all tests of a file; both go when they have run. */
export interface SharedRegistry {
  readonly folder: string;
  /** `127.0.0.1:port`, while tests run. */
  readonly address: string;
  /** Pushes the image of a layout under a name, such as `kairos/os:v1`. */
  push(layout: string, name: string): ReturnType<typeof pushImage>;
}

/**
 * Has the registry started before the tests of this file.
 * @param prefix of the folder's name
 */
export function sharedRegistry(prefix: string): SharedRegistry {
  const folder = mkdtempSync(join(tmpdir(), `${prefix}-`));
  let server: RegistryServer | undefined;
  beforeAll(async () => {
    server = await startRegistry(join(folder, 'registry'));
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  const address = () => {
    if (server === undefined) throw new Error('the registry was not started');
    return server.address;
  };
  return {
    folder,
    get address() {
      return address();
    },
    push: (layout, name) => pushImage(openLayout(layout), parseReference(`${address()}/${name}`)),
  };
}

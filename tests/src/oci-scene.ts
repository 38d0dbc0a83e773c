import { afterAll, beforeAll } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { annotations, mediaTypes } from '@kairos/facts/media-types';
import type { Descriptor } from '@kairos/oci/descriptor';
import { createLayout, named } from '@kairos/oci/layout-writer';
import { tarDirectory } from '@kairos/oci/tar-directory';
import { run } from './run-tool.ts';

/** Runs a script in a folder. */
export const shell = (script: string, cwd: string) => run('sh', '-euc', `cd '${cwd}'; ${script}`);

/** Everything that can be seen of a tree, by other means than ours. Times of directories only where asked for. */
export function look(root: string, times: 'all' | 'files' = 'all'): string {
  const time = times === 'all' ? '%T@' : '';
  return shell(
    `find . -mindepth 1 -type d -printf '%P d %m %U %G ${time}\\n' -o -mindepth 1 -printf '%P %y %m %U %G %T@ %l %n\\n' | sed 's/0*$//' | sort
     find . -type f -print0 | sort -z | xargs -0r sha256sum
     find . '(' -type c -o -type b ')' -print0 | sort -z | xargs -0r stat -c '%n %t %T'
     getfattr -R -P -h -d -m - -e hex . 2>/dev/null || true`,
    root,
  );
}

/** Fills a root with everything that an archive can carry. */
function fillRoot(root: string): void {
  shell(
    `DEEP=deep/$(printf 'd%.0s' $(seq 90))/$(printf 'e%.0s' $(seq 90))
     mkdir -p etc usr/bin usr/share/empty var/tmp dev "dir with space" $DEEP
     ln -s usr/bin bin; ln -s /nowhere broken
     printf 'host' > etc/hostname; printf 'ünï' > etc/ünïcödé
     printf 'tool' > usr/bin/tool; chmod 4755 usr/bin/tool; ln usr/bin/tool usr/bin/other
     setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 usr/bin/other
     printf 'x' > $DEEP/$(printf 'f%.0s' $(seq 120))
     mknod dev/null c 1 3; chmod 666 dev/null; mknod dev/big b 259 70000; mkfifo var/pipe
     chmod 1777 var/tmp; chown 1000:1001 etc/hostname; chown -h 5:6 bin; chown 3000000:4000000 "dir with space"
     setfattr -n user.note -v 'a value' etc
     truncate -s 3000000 var/sparse; printf 'middle' | dd of=var/sparse bs=1 seek=1500000 conv=notrunc status=none
     find . -exec touch -h -d @1700000000 {} +; touch -d @1600000000 etc/hostname`,
    root,
  );
}

/** A root, and a layout of it: as container, which is named, and a boot form beside. Gone when the tests of the file have run. */
export class OciScene {
  private readonly work = mkdtempSync(join(tmpdir(), 'oci-'));
  private folders = 0;
  readonly layoutPath = join(this.work, 'layout');
  declare root: string;
  /** How the root looks. */
  declare before: string;
  declare container: Descriptor;
  declare boot: Descriptor;

  constructor() {
    beforeAll(async () => {
      this.root = this.folder('root');
      fillRoot(this.root);
      this.before = look(this.root);
      const writer = createLayout(this.layoutPath);
      const hash = async (stream: AsyncIterable<Uint8Array>) => {
        const hasher = new Bun.CryptoHasher('sha256');
        for await (const chunk of stream) hasher.update(chunk);
        return `sha256:${hasher.digest('hex')}`;
      };
      const layer = await writer.putStream(tarDirectory(this.root), mediaTypes.layer);
      const config = writer.putJson(
        {
          architecture: 'amd64',
          os: 'linux',
          rootfs: { type: 'layers', diff_ids: [await hash(tarDirectory(this.root))] },
          config: {},
        },
        mediaTypes.config,
      );
      this.container = {
        ...writer.putJson(
          { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [layer] },
          mediaTypes.manifest,
        ),
        platform: { architecture: 'amd64', os: 'linux' },
      };
      const empty = writer.putBlob(Buffer.from('{}'), mediaTypes.empty);
      const noise = Buffer.alloc(3_000_000);
      for (let index = 0; index < noise.length; index += 4)
        noise.writeUInt32LE((index * 2654435761) >>> 0, index);
      this.boot = writer.putJson(
        {
          schemaVersion: 2,
          mediaType: mediaTypes.manifest,
          artifactType: mediaTypes.bootForm,
          config: empty,
          layers: [writer.putBlob(noise, mediaTypes.bootFile, { [annotations.title]: 'root.img' })],
        },
        mediaTypes.manifest,
      );
      writer.writeIndex([named(this.container, 'container')]);
    });
    afterAll(() => rmSync(this.work, { recursive: true, force: true }));
  }

  /** A new folder. */
  folder(name = 'folder'): string {
    const path = join(this.work, `${name}-${this.folders++}`);
    mkdirSync(path);
    return path;
  }
}

import { afterEach, beforeEach } from 'bun:test';
import { rmSync } from 'node:fs';
import { KairosError } from '@kairos/facts/errors';
import { persistentDirectory } from '@kairos/facts/persistent-state';
import { type DirectoryHost, directoryHost } from '@kairos/host/directory';
import type { Host } from '@kairos/host/host';
import { runProgram } from '@kairos/host/run';
import { listingToJson, listTree } from '@kairos/host/tree-listing';
import { type StateOutcome, settleState } from './state-across-slots.ts';
import { readStateRecord } from './state-records.ts';
import { testFolder } from './test-folder.ts';

export const target = '/usr/local/.state';
export const path = '/etc/app';
export const state = persistentDirectory(target, path);

/** What an image ships in `/etc/app`: contents by name; a link is written `>target`. */
export type Tree = Readonly<Record<string, string>>;

/** For tests: a machine that keeps `/etc/app` across images, anew for each test of the file. */
export function stateMachine() {
  let folder: string;
  beforeEach(() => {
    folder = testFolder('state');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** A machine whose cp is real, and breaks where `broken` says so. */
  function machine(broken: (argv: readonly string[]) => boolean = () => false): DirectoryHost {
    return directoryHost(folder, {
      async run(argv, options) {
        if (broken(argv)) throw new KairosError('TOOL_FAILED', `${argv[0]}: no space left`);
        if (argv[0] === 'sync') return {};
        const [program = '', ...rest] = argv;
        return await runProgram([program, ...rest], options);
      },
    });
  }

  function ship(tree: Tree, where = path): void {
    const { files } = machine();
    files.remove(where);
    files.makeDirectory(where);
    for (const [name, content] of Object.entries(tree)) {
      const place = `${where}/${name}`;
      if (content.startsWith('>')) files.symlink(content.slice(1), place);
      else files.write(place, content);
    }
  }

  /** Contents by name, of files and links. */
  function contents(where = state): Tree {
    const { files } = machine();
    return Object.fromEntries(
      [...listTree(files, where)].flatMap(([name, { type, target: to }]) =>
        type === 'file'
          ? [[name, files.readText(`${where}/${name}`)]]
          : type === 'symlink'
            ? [[name, `>${to}`]]
            : [],
      ),
    );
  }

  const boot = (image: string, host: Host = machine(), paths: readonly string[] = [path]) =>
    settleState(host, paths, target, { image });

  /** Starts an image that ships a tree. */
  function start(image: string, tree: Tree, host?: Host): Promise<StateOutcome> {
    ship(tree);
    return boot(image, host);
  }

  /** What `kairos-agent boot-good` writes when a system has proved good. */
  function proveGood(): void {
    const { files } = machine();
    const record = readStateRecord(files, target);
    const paths = { [path]: listingToJson(listTree(files, state)) };
    files.write(
      `${target}/.kairos/proven.json`,
      JSON.stringify({ schemaVersion: 1, image: record?.image, sequence: record?.sequence, paths }),
    );
  }

  const edit = (name: string, content: string) => machine().files.write(`${state}/${name}`, content);

  return { folder: () => folder, machine, ship, contents, boot, start, proveGood, edit };
}

import { basename, dirname, join } from 'node:path/posix';
import { type Architecture, architectureNames } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';
import type { HostFiles } from '@kairos/host/host';
import { type ElfFile, isElf, readElf } from './elf.ts';
import { resolveInRoot } from './root-path.ts';

/** A file of the root that goes into the initrd. */
export interface TakenFile {
  /** Where programs look for it; `/lib`, `/lib64`, `/bin` and `/sbin` are spelt with `/usr`. */
  readonly path: string;
  /** Where it is in the root, without symbolic links. */
  readonly source: string;
}

/** Directories in which the dynamic loaders of glibc and musl look without being told. */
function standardDirectories(architecture: Architecture): string[] {
  const multiarch = `${architectureNames[architecture].uname}-linux-gnu`;
  return [`/usr/lib/${multiarch}`, '/usr/lib64', '/usr/lib', '/usr/local/lib'];
}

/** Spells a path the way a merged `/usr` has it, so that it is the same for every distribution. */
export function mergedPath(path: string): string {
  return path.replace(/^\/(bin|sbin|lib\w*)\//, '/usr/$1/').replace(/^\/usr\/sbin\//, '/usr/bin/');
}

/** The directories of `/etc/ld.so.conf` and what it includes by `*.conf`. */
function configuredDirectories(files: HostFiles, root: string): string[] {
  const texts = [
    files.readTextIfAny(join(root, '/etc/ld.so.conf')),
    ...files
      .list(join(root, '/etc/ld.so.conf.d'))
      .filter((name) => name.endsWith('.conf'))
      .map((name) => files.readTextIfAny(join(root, '/etc/ld.so.conf.d', name))),
  ];
  return texts
    .flatMap((text) => (text ?? '').split('\n'))
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line.startsWith('/'));
}

/**
 * Reads an executable or library of the root.
 * @throws KairosError `ELF_UNREADABLE`, `ELF_WRONG_ARCHITECTURE`
 */
function load(files: HostFiles, root: string, source: string, architecture: Architecture): ElfFile {
  const elf = readElf(files.readBytes(join(root, source)), source);
  if (elf.architecture !== architecture) {
    throw new KairosError(
      'ELF_WRONG_ARCHITECTURE',
      `${source} is for ${elf.architecture ?? 'an unknown architecture'}, the image for ${architecture}`,
      { exit: 'unsuitableImage' },
    );
  }
  return elf;
}

/**
 * Programs of a root with the dynamic loader and the libraries that they need, found as the dynamic loader finds them
 * and without running anything.
 * @param programs paths inside the root
 * @throws KairosError `LIBRARY_MISSING`, `ELF_UNREADABLE`, `ELF_WRONG_ARCHITECTURE`, `SYMLINK_LOOP`
 */
export function libraryClosure(
  files: HostFiles,
  root: string,
  programs: readonly string[],
  architecture: Architecture,
): TakenFile[] {
  const standard = standardDirectories(architecture);
  const configured = configuredDirectories(files, root);
  const taken = new Map<string, TakenFile>();
  const resolved = (path: string) => resolveInRoot(files, root, path);

  const add = (path: string, source: string, wantedBy: string) => {
    const place = mergedPath(path);
    if (taken.has(place)) return;
    taken.set(place, { path: place, source });
    const elf = load(files, root, source, architecture);
    if (elf.interpreter !== undefined) {
      const interpreter = resolved(elf.interpreter);
      if (interpreter === undefined) throw missing(elf.interpreter, source, [dirname(elf.interpreter)]);
      add(elf.interpreter, interpreter, source);
    }
    const origin = dirname(source);
    const own = elf.searchPath.map((each) => join(each.replace(/\$(ORIGIN|\{ORIGIN\})/g, origin)));
    for (const name of elf.needed) {
      // The loader itself may be named as a library (musl's libc, glibc's libm).
      if ([...taken.keys()].some((known) => basename(known) === name)) continue;
      if (name.includes('/')) {
        const direct = resolved(name);
        if (direct === undefined) throw missing(name, source, [dirname(name)]);
        add(name, direct, source);
        continue;
      }
      const searched = [...own, ...standard, '/lib', '/lib64', ...configured];
      const directory = searched.find((each) => {
        const found = resolved(join(each, name));
        return found !== undefined && isElf(files.readBytes(join(root, found)));
      });
      if (directory === undefined) throw missing(name, source, searched);
      const found = resolved(join(directory, name));
      if (found === undefined) throw missing(name, source, searched);
      // What only ld.so.conf leads to goes where the loader looks by itself: the initrd has no ld.so.cache.
      const known = own.includes(directory) || standard.includes(mergedPath(`${directory}/`).slice(0, -1));
      add(join(known ? directory : (standard[2] as string), name), found, wantedBy);
    }
  };
  const missing = (name: string, wantedBy: string, searched: readonly string[]) =>
    new KairosError('LIBRARY_MISSING', `${wantedBy} needs ${name}, which the root does not have`, {
      hint: 'The root is incomplete: reinstall the package of that program.',
      exit: 'unsuitableImage',
      details: { searched: [...new Set(searched)] },
    });

  for (const program of programs) {
    const source = resolved(program);
    if (source === undefined) throw missing(program, 'The initrd', [dirname(program)]);
    add(program, source, program);
  }
  return [...taken.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

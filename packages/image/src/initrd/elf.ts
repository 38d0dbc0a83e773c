import { type Architecture, architectures } from '@kairos/facts/architecture';
import { KairosError } from '@kairos/facts/errors';

/** What the initrd needs to know of an executable or library. */
export interface ElfFile {
  /** `undefined` for a machine that this project does not know. */
  readonly architecture: Architecture | undefined;
  /** The dynamic loader (`PT_INTERP`); absent in a static executable and in a library. */
  readonly interpreter: string | undefined;
  /** `DT_NEEDED`, in the order of the file. */
  readonly needed: readonly string[];
  /** `DT_RUNPATH`, or `DT_RPATH` where there is none, split at colons; may hold `$ORIGIN`. */
  readonly searchPath: readonly string[];
}

/** `e_machine` values (ELF gABI, chapter 4). */
const machines: Readonly<Record<Architecture, number>> = { amd64: 62, arm64: 183, riscv64: 243 };

const segment = { load: 1, dynamic: 2, interpreter: 3 } as const;
const tag = { end: 0, needed: 1, stringTable: 5, rpath: 15, runpath: 29 } as const;

const latin1 = new TextDecoder('latin1');

/** Reads of a little-endian ELF64 file that name the file when they run out of it. */
class ElfReader {
  private readonly view: DataView;
  constructor(
    private readonly bytes: Uint8Array,
    private readonly name: string,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const magic = bytes.length >= 64 && this.view.getUint32(0) === 0x7f454c46;
    if (!magic || bytes[4] !== 2 || bytes[5] !== 1) {
      throw this.error('it is not a little-endian 64-bit ELF file');
    }
  }

  error(why: string): KairosError {
    return new KairosError(
      'ELF_UNREADABLE',
      `Cannot read ${this.name} (${this.bytes.length} bytes): ${why}`,
      {
        exit: 'corruptSource',
      },
    );
  }

  private need(offset: number, length: number): void {
    if (offset < 0 || !Number.isSafeInteger(offset) || offset + length > this.bytes.length) {
      throw this.error(`it ends before offset ${offset}, to which it refers`);
    }
  }

  half(offset: number): number {
    this.need(offset, 2);
    return this.view.getUint16(offset, true);
  }

  word(offset: number): number {
    this.need(offset, 4);
    return this.view.getUint32(offset, true);
  }

  long(offset: number): number {
    this.need(offset, 8);
    return Number(this.view.getBigUint64(offset, true));
  }

  /** A string that ends with NUL. */
  text(offset: number): string {
    this.need(offset, 1);
    const end = this.bytes.indexOf(0, offset);
    if (end < 0) throw this.error(`the string at offset ${offset} has no end`);
    return latin1.decode(this.bytes.subarray(offset, end));
  }

  slice(offset: number, length: number): Uint8Array {
    this.need(offset, length);
    return this.bytes.subarray(offset, offset + length);
  }
}

/** True where a file begins like an ELF file. */
export function isElf(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/**
 * Reads the program headers and the dynamic section (ELF gABI, chapter 5) without running anything.
 * @param name how messages call the file
 * @throws KairosError `ELF_UNREADABLE`
 */
export function readElf(bytes: Uint8Array, name: string): ElfFile {
  const elf = new ElfReader(bytes, name);
  const machine = elf.half(18);
  const headers = Array.from({ length: elf.half(56) }, (_, index) => {
    const at = elf.long(32) + index * elf.half(54);
    return {
      type: elf.word(at),
      offset: elf.long(at + 8),
      address: elf.long(at + 16),
      size: elf.long(at + 32),
    };
  });
  const interpreter = headers.find((header) => header.type === segment.interpreter);
  const dynamic = headers.find((header) => header.type === segment.dynamic);
  const entries: { readonly tag: number; readonly value: number }[] = [];
  if (dynamic) {
    for (let at = dynamic.offset; at + 16 <= dynamic.offset + dynamic.size; at += 16) {
      const kind = elf.long(at);
      if (kind === tag.end) break;
      entries.push({ tag: kind, value: elf.long(at + 8) });
    }
  }
  const strings = (wanted: number): string[] => {
    const found = entries.filter((entry) => entry.tag === wanted);
    if (found.length === 0) return [];
    const address = entries.find((entry) => entry.tag === tag.stringTable)?.value;
    const home = headers.find(
      (header) =>
        header.type === segment.load &&
        address !== undefined &&
        address >= header.address &&
        address < header.address + header.size,
    );
    if (address === undefined || !home) throw elf.error('its dynamic section has no string table');
    const table = address - home.address + home.offset;
    return found.map((entry) => elf.text(table + entry.value));
  };
  const runpath = strings(tag.runpath);
  const searchPath = (runpath.length > 0 ? runpath : strings(tag.rpath))
    .flatMap((value) => value.split(':'))
    .filter((value) => value !== '');
  return {
    architecture: architectures.find((each) => machines[each] === machine),
    interpreter: interpreter && elf.text(interpreter.offset),
    needed: strings(tag.needed),
    searchPath,
  };
}

/**
 * The `name=value` strings of a kernel module's `.modinfo` section: `firmware`, `alias`, `depends`, ...
 * @throws KairosError `ELF_UNREADABLE`
 */
export function readModuleInfo(bytes: Uint8Array, name: string): Map<string, string[]> {
  const elf = new ElfReader(bytes, name);
  const sections = elf.long(40);
  const entrySize = elf.half(58);
  const header = (index: number) => {
    const at = sections + index * entrySize;
    return { name: elf.word(at), offset: elf.long(at + 24), size: elf.long(at + 32) };
  };
  const names = header(elf.half(62)).offset;
  const info = new Map<string, string[]>();
  for (let index = 1; index < elf.half(60); index++) {
    const section = header(index);
    if (elf.text(names + section.name) !== '.modinfo') continue;
    for (const line of latin1.decode(elf.slice(section.offset, section.size)).split('\0')) {
      const at = line.indexOf('=');
      if (at < 0) continue;
      const key = line.slice(0, at);
      info.set(key, [...(info.get(key) ?? []), line.slice(at + 1)]);
    }
  }
  return info;
}

/** Small ELF64 files for tests: what a linker would write, with nothing to run. */
export interface SyntheticElf {
  readonly machine?: number;
  readonly interpreter?: string;
  readonly needed?: readonly string[];
  readonly runpath?: string;
  /** Strings of a `.modinfo` section. */
  readonly moduleInfo?: readonly string[];
  /** Bytes appended behind everything. */
  readonly tail?: string;
}

/** Where the one segment is said to be loaded, so that addresses differ from offsets. */
const base = 0x400000;

/** Writes one; `machine` defaults to x86-64. */
export function syntheticElf(elf: SyntheticElf = {}): Uint8Array {
  const strings = ['', ...(elf.needed ?? []), elf.runpath ?? ''];
  const offsets: number[] = [];
  let table = '';
  for (const each of strings) {
    offsets.push(table.length);
    table += `${each}\0`;
  }
  const tags = [
    ...(elf.needed ?? []).map((_, at) => [1, offsets[at + 1] ?? 0]),
    ...(elf.runpath === undefined ? [] : [[29, offsets.at(-1) ?? 0]]),
  ];
  const interpreter = elf.interpreter === undefined ? '' : `${elf.interpreter}\0`;
  const info = (elf.moduleInfo ?? []).map((each) => `${each}\0`).join('');
  const names = '\0.modinfo\0.shstrtab\0';
  const at = {
    headers: 64,
    strings: 64 + 3 * 56,
    interpreter: 0,
    dynamic: 0,
    info: 0,
    names: 0,
    sections: 0,
  };
  at.interpreter = at.strings + table.length;
  at.dynamic = at.interpreter + interpreter.length;
  at.info = at.dynamic + (tags.length + 2) * 16;
  at.names = at.info + info.length;
  at.sections = at.names + names.length;
  const bytes = Buffer.alloc(at.sections + 3 * 64 + (elf.tail?.length ?? 0));
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  bytes.writeUInt16LE(elf.machine ?? 62, 18);
  const long = (value: number, offset: number) => bytes.writeBigUInt64LE(BigInt(value), offset);
  long(at.headers, 32);
  long(at.sections, 40);
  for (const [value, offset] of [
    [64, 52],
    [56, 54],
    [3, 56],
    [64, 58],
    [3, 60],
    [2, 62],
  ] as const) {
    bytes.writeUInt16LE(value, offset);
  }
  const header = (index: number, type: number, offset: number, size: number) => {
    const place = at.headers + index * 56;
    bytes.writeUInt32LE(type, place);
    long(offset, place + 8);
    long(base + offset, place + 16);
    long(size, place + 32);
  };
  header(0, 1, 0, bytes.length);
  header(1, elf.interpreter === undefined ? 0 : 3, at.interpreter, interpreter.length);
  header(2, tags.length > 0 ? 2 : 0, at.dynamic, (tags.length + 2) * 16);
  bytes.write(table, at.strings, 'latin1');
  bytes.write(interpreter, at.interpreter, 'latin1');
  [...tags, [5, base + at.strings], [0, 0]].forEach(([tag = 0, value = 0], index) => {
    long(tag, at.dynamic + index * 16);
    long(value, at.dynamic + index * 16 + 8);
  });
  bytes.write(info, at.info, 'latin1');
  bytes.write(names, at.names, 'latin1');
  const section = (index: number, name: number, offset: number, size: number) => {
    const place = at.sections + index * 64;
    bytes.writeUInt32LE(name, place);
    long(offset, place + 24);
    long(size, place + 32);
  };
  section(1, 1, at.info, info.length);
  section(2, 10, at.names, names.length);
  bytes.write(elf.tail ?? '', at.sections + 3 * 64, 'latin1');
  return bytes;
}

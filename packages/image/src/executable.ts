import { dirname, join } from 'node:path/posix';
import type { Architecture } from '@kairos/facts/architecture';
import { isSystemError, KairosError, reasonOf } from '@kairos/facts/errors';
import type { Host } from '@kairos/host/host';
import type { Flavor } from './flavor.ts';
import { elfMachines } from './root-facts.ts';

/** What an executable runs on. */
export interface ExecutableKind {
  readonly architecture: Architecture;
  readonly libc: Flavor['libc'];
}

/** Program headers lie at the beginning of the file, and the name of the dynamic linker behind them. */
const headBytes = 4096;

/** What a program is made for, from the beginning of its file; `undefined` for what is no ELF program of ours. */
export function kindOfExecutable(head: Uint8Array): ExecutableKind | undefined {
  if (head.length < 64 || Buffer.from(head.subarray(0, 4)).toString('latin1') !== '\x7fELF') return undefined;
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const architecture = elfMachines[view.getUint16(18, true)];
  if (architecture === undefined) return undefined;
  const [table, size, count] = [
    Number(view.getBigUint64(32, true)),
    view.getUint16(54, true),
    view.getUint16(56, true),
  ];
  for (let index = 0; index < count; index++) {
    const at = table + index * size;
    if (at + 40 > head.length) break;
    if (view.getUint32(at, true) !== 3) continue;
    const name = Buffer.from(head.subarray(Number(view.getBigUint64(at + 8, true)))).toString('latin1');
    return { architecture, libc: name.split('\0')[0]?.includes('ld-musl') ? 'musl' : 'glibc' };
  }
  return undefined;
}

/**
 * The executable for an image: the one that is named, or, where that is made for another architecture or C library,
 * the one beside it with the name that a build gives it.
 * @throws KairosError `FILE_NOT_FOUND`, `EXECUTABLE_UNSUITABLE`
 */
export function executableFor(host: Host, named: string, wanted: ExecutableKind): string {
  const kind = kindOfExecutable(headOf(host, named));
  // A program of another form is the user's own affair.
  if (kind === undefined || fits(kind, wanted)) return named;
  const name = `kairos-linux-${wanted.architecture}-${wanted.libc}`;
  const beside = join(dirname(named), name);
  if (host.files.exists(beside)) {
    const other = kindOfExecutable(headOf(host, beside));
    if (other !== undefined && fits(other, wanted)) return beside;
  }
  const words = ({ architecture, libc }: ExecutableKind) => `${architecture} with ${libc}`;
  throw new KairosError(
    'EXECUTABLE_UNSUITABLE',
    `${named} is made for ${words(kind)} and the image is ${words(wanted)}: it would not start there`,
    {
      exit: 'unsuitableImage',
      hint: `Build all executables (bun run build) and name dist/${name} with --executable, or put it beside ${named}.`,
    },
  );
}

const fits = (a: ExecutableKind, b: ExecutableKind) => a.architecture === b.architecture && a.libc === b.libc;

function headOf(host: Host, path: string): Uint8Array {
  try {
    return host.files.readPart(path, 0, headBytes);
  } catch (cause) {
    const reason = isSystemError(cause, 'ENOENT', 'ENOTDIR') ? 'it is not there' : reasonOf(cause);
    throw new KairosError('FILE_NOT_FOUND', `Cannot use ${path} as the executable of the image: ${reason}`, {
      exit: 'notFound',
      cause,
    });
  }
}

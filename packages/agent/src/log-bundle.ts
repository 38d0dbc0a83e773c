import { closeSync, openSync, readSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { KairosError, reasonOf } from '@kairos/facts/errors';
import { MiB } from '@kairos/facts/size';
import type { Host } from '@kairos/host/host';
import { type TarWriteEntry, writeTar } from '@kairos/oci/tar-write';
import { isMapping } from './collect-config.ts';

const defaultUnits = [
  'kairos-agent',
  'kairos-agent-phonehome',
  'kairos-boot-good',
  'kairos-installer',
  'kairos-reset',
  'kairos-webui',
  'cos-setup-fs',
  'cos-setup-boot',
  'cos-setup-network',
  'cos-setup-reconcile',
  'k3s',
  'k3s-agent',
  'k0scontroller',
  'k0sworker',
];
const defaultFiles = [
  '/var/log/kairos/*.log',
  '/var/log/*.log',
  '/run/immucore/*.log',
  '/run/immucore/*.json',
  '/oem/boot-failures/*.json',
];
/** Configuration, keys and passwords: not in a bundle that people send around, whatever `logs.files` says. */
const never = [
  /^\/oem\/(?!boot-failures\/)/,
  /^\/usr\/local\/(cloud-config|\.kairos)\//,
  /^\/(etc\/kairos|system\/oem|run\/initramfs\/live)\/.*\.ya?ml$/,
  /^\/etc\/(shadow|gshadow)-?$/,
  /(^|\/)(\.ssh|\.docker|\.kube)\//,
  /(^|\/)(id_[a-z0-9]+|ssh_host_[a-z0-9]+_key|.*\.(key|pem|p12|pfx|kubeconfig))$/,
];
/** As much of one file as is taken: its end. */
const largestFile = 32 * MiB;
/** Lines of a unit's journal. */
const journalLines = 50_000;

export interface LogBundle {
  /** A gzipped tar archive. */
  readonly content: Uint8Array;
  /** Names in it. */
  readonly names: readonly string[];
  /** What was left out, and why. */
  readonly skipped: readonly string[];
}

/** What looks like a secret in a log: values of keys that are named so, and passwords in addresses. */
export function redact(text: string): string {
  return text
    .replace(
      /\b([\w.-]*(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|private[_-]?key)[\w.-]*["']?\s*[:=]\s*)("(?:[^"\\]|\\.)*"|'[^']*'|[^\s,;&}\]]+)/gi,
      '$1***',
    )
    .replace(/\b(authorization["']?\s*[:=]\s*["']?(?:bearer|basic)\s+)[^\s"']+/gi, '$1***')
    .replace(/([?&](?:token|key|secret|password)=)[^&\s"']+/gi, '$1***')
    .replace(/(\b[a-z][a-z0-9+.-]*:\/\/[^/\s:@]*:)[^/\s@]+@/gi, '$1***@');
}

/** The end of a file, byte by byte as it is, but for secrets. */
function readEnd(path: string, size: number): Uint8Array {
  const descriptor = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(Math.min(size, largestFile));
    const length = readSync(descriptor, buffer, 0, buffer.length, Math.max(0, size - largestFile));
    return Buffer.from(redact(buffer.toString('latin1', 0, length)), 'latin1');
  } finally {
    closeSync(descriptor);
  }
}

const textsOf = (value: unknown) =>
  Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];

/**
 * Collects what explains a node's behaviour: journals of units, log files, boot report, records of failed boots. What is not
 * there is left out.
 * @param config for `logs.journal` and `logs.files`, which add to the usual ones
 * @param more further texts by name, such as the state of the node
 */
export async function collectLogs(
  host: Host,
  config: Readonly<Record<string, unknown>>,
  more: Readonly<Record<string, string>>,
  now: Date,
): Promise<LogBundle> {
  const { files } = host;
  const logs = isMapping(config.logs) ? config.logs : {};
  const contents = new Map<string, Uint8Array>();
  const skipped: string[] = [];
  for (const [name, text] of Object.entries(more)) contents.set(name, Buffer.from(redact(text)));

  const units = new Set(
    [...defaultUnits, ...textsOf(logs.journal)].map((unit) => unit.replace(/\.service$/, '')),
  );
  if (host.which('journalctl') !== undefined) {
    for (const unit of units) {
      if (!/^[\w@:.-]+$/.test(unit) || unit.startsWith('-')) {
        skipped.push(`logs.journal: ${JSON.stringify(unit)} is no unit`);
        continue;
      }
      try {
        const argv = ['--no-pager', '--output=short-iso', `--lines=${journalLines}`, '--unit', unit];
        const { stdout } = await host.run(['journalctl', ...argv]);
        // What it prints where there is nothing.
        if (stdout.trim() !== '' && !/^-- No entries --\s*$/.test(stdout)) {
          contents.set(`journal/${unit}.log`, Buffer.from(redact(stdout)));
        }
      } catch (error) {
        skipped.push(`journal of ${unit}: ${reasonOf(error)}`);
      }
    }
  }
  for (const pattern of new Set([...defaultFiles, ...textsOf(logs.files)])) {
    if (!pattern.startsWith('/') || pattern.split('/').includes('..')) {
      skipped.push(`logs.files: ${JSON.stringify(pattern)} is not an absolute path`);
      continue;
    }
    const found = new Bun.Glob(pattern.slice(1)).scanSync({
      cwd: files.real('/'),
      dot: true,
      onlyFiles: false,
    });
    for (const name of [...found].sort()) {
      const path = `/${name}`;
      const status = files.status(path);
      if (status?.kind !== 'file') continue;
      if (never.some((one) => one.test(path))) {
        skipped.push(`${path}: configuration and keys are not taken`);
        continue;
      }
      try {
        contents.set(`files${path}`, readEnd(files.real(path), status.size));
        if (status.size > largestFile) skipped.push(`${path}: only its last ${largestFile / MiB} MiB`);
      } catch (error) {
        skipped.push(`${path}: ${reasonOf(error)}`);
      }
    }
  }
  if (skipped.length > 0) contents.set('left-out.txt', Buffer.from(`${skipped.join('\n')}\n`));
  const names = [...contents.keys()].sort();
  const modified = Math.floor(now.getTime() / 1000);
  const entries = names.map((path): TarWriteEntry => {
    const content = contents.get(path) as Uint8Array;
    return {
      ...{ path, type: 'file', mode: 0o640, uid: 0, gid: 0, modified, size: content.length },
      content: (async function* () {
        yield content;
      })(),
    };
  });
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeTar(entries)) chunks.push(chunk);
  return { content: gzipSync(Buffer.concat(chunks)), names, skipped };
}

/** @throws KairosError `OUTPUT_EXISTS_AS_DIRECTORY` */
export function checkOutput(host: Host, path: string): void {
  if (host.files.status(path)?.kind !== 'directory') return;
  throw new KairosError('OUTPUT_EXISTS_AS_DIRECTORY', `${path} is a directory`, {
    exit: 'usage',
    hint: 'Name a file with --output',
  });
}

import type { HostFiles } from '@kairos/host/host';

/** A line of passwd(5). */
export interface PasswdEntry {
  readonly name: string;
  readonly password: string;
  readonly uid: number;
  readonly gid: number;
  readonly gecos: string;
  readonly home: string;
  readonly shell: string;
}

/** A line of group(5). */
export interface GroupEntry {
  readonly name: string;
  readonly password: string;
  readonly gid: number;
  readonly members: readonly string[];
}

export const accountFiles = {
  passwd: '/etc/passwd',
  shadow: '/etc/shadow',
  group: '/etc/group',
  gshadow: '/etc/gshadow',
} as const;

/** A name that the tools of all distributions accept, with the `$` of machine accounts. */
export function isAccountName(name: string): boolean {
  return /^[a-z_][a-z0-9_.-]{0,31}\$?$/i.test(name);
}

/** Whether a text may stand in a field of these files. */
export function isAccountField(text: string): boolean {
  return !/[:\n\r\0]/.test(text);
}

/** Lines of a colon-separated file, by the name in the first field; comments and broken lines are kept but not named. */
export class AccountFile {
  private constructor(private readonly lines: string[]) {}

  static parse(text: string): AccountFile {
    const lines = text.split('\n');
    if (lines.at(-1) === '') lines.pop();
    return new AccountFile(lines);
  }

  /** The fields of the line that belongs to a name; the first such line counts, as for the C library. */
  get(name: string): string[] | undefined {
    return this.lines.find((line) => line.startsWith(`${name}:`))?.split(':');
  }

  entries(): string[][] {
    return this.lines.filter((line) => /^[^#:+-][^:]*:/.test(line)).map((line) => line.split(':'));
  }

  /** Replaces the line of a name, or adds it at the end. */
  set(fields: readonly string[]): void {
    const line = fields.join(':');
    const place = this.lines.findIndex((other) => other.startsWith(`${fields[0]}:`));
    if (place < 0) this.lines.push(line);
    else this.lines[place] = line;
  }

  delete(name: string): boolean {
    const before = this.lines.length;
    for (let index = before - 1; index >= 0; index--) {
      if (this.lines[index]?.startsWith(`${name}:`)) this.lines.splice(index, 1);
    }
    return this.lines.length < before;
  }

  toString(): string {
    return this.lines.length === 0 ? '' : `${this.lines.join('\n')}\n`;
  }
}

export function passwdEntries(text: string): PasswdEntry[] {
  return AccountFile.parse(text)
    .entries()
    .map(([name = '', password = '', uid, gid, gecos = '', home = '', shell = '']) => ({
      name,
      password,
      uid: Number(uid),
      gid: Number(gid),
      gecos,
      home,
      shell,
    }))
    .filter((entry) => Number.isSafeInteger(entry.uid) && Number.isSafeInteger(entry.gid));
}

export function groupEntries(text: string): GroupEntry[] {
  return AccountFile.parse(text)
    .entries()
    .map(([name = '', password = '', gid, members = '']) => ({
      name,
      password,
      gid: Number(gid),
      members: members.split(',').filter(Boolean),
    }))
    .filter((entry) => Number.isSafeInteger(entry.gid));
}

export function findUser(files: HostFiles, name: string): PasswdEntry | undefined {
  return passwdEntries(files.readTextIfAny(accountFiles.passwd) ?? '').find((entry) => entry.name === name);
}

export function findGroup(files: HostFiles, name: string): GroupEntry | undefined {
  return groupEntries(files.readTextIfAny(accountFiles.group) ?? '').find((entry) => entry.name === name);
}

/**
 * Writes one of the account files and keeps its mode and owner, so that shadow stays with group `shadow` where a
 * distribution has one. A new shadow file is for root only.
 */
export function writeAccountFile(files: HostFiles, path: string, content: string): void {
  const old = files.status(path);
  const secret = path.endsWith('shadow');
  files.write(path, content, {
    mode: old?.mode ?? (secret ? 0o600 : 0o644),
    ...(old === undefined ? {} : { uid: old.uid, gid: old.gid }),
  });
}

import type { HostFiles } from '@kairos/host/host';
import {
  AccountFile,
  accountFiles,
  type GroupEntry,
  groupEntries,
  type PasswdEntry,
  passwdEntries,
  writeAccountFile,
} from './accounts.ts';

const day = 86_400_000;

/** Days since 1970 for shadow(5). A clock that was never set gives nothing: zero would force a new password. */
function today(): string {
  const days = Math.floor(Date.now() / day);
  return days > 365 ? String(days) : '';
}

/**
 * The four account files, changed in memory and written once, each whole. Groups come before the users that
 * name them, so that a cut between two files leaves no user without a group.
 */
export class AccountChanges {
  private readonly texts = new Map<string, string>();
  private readonly parsed: Readonly<Record<keyof typeof accountFiles, AccountFile>>;

  constructor(private readonly files: HostFiles) {
    const open = (path: string): AccountFile => {
      const text = files.readTextIfAny(path) ?? '';
      this.texts.set(path, text);
      return AccountFile.parse(text);
    };
    this.parsed = {
      passwd: open(accountFiles.passwd),
      shadow: open(accountFiles.shadow),
      group: open(accountFiles.group),
      gshadow: open(accountFiles.gshadow),
    };
  }

  users(): PasswdEntry[] {
    return passwdEntries(this.parsed.passwd.toString());
  }

  groups(): GroupEntry[] {
    return groupEntries(this.parsed.group.toString());
  }

  user(name: string): PasswdEntry | undefined {
    return this.users().find((entry) => entry.name === name);
  }

  group(name: string): GroupEntry | undefined {
    return this.groups().find((entry) => entry.name === name);
  }

  setUser(entry: PasswdEntry): void {
    const { name, password, uid, gid, gecos, home, shell } = entry;
    this.parsed.passwd.set([name, password, String(uid), String(gid), gecos, home, shell]);
  }

  addGroup(name: string, gid: number): void {
    this.parsed.group.set([name, 'x', String(gid), '']);
    if (this.texts.get(accountFiles.gshadow) !== '') this.parsed.gshadow.set([name, '!', '', '']);
  }

  addMember(group: string, user: string): void {
    for (const file of [this.parsed.group, this.parsed.gshadow]) {
      const fields = file.get(group);
      if (fields === undefined) continue;
      const members = (fields[3] ?? '').split(',').filter(Boolean);
      if (!members.includes(user)) file.set([...fields.slice(0, 3), [...members, user].join(',')]);
    }
  }

  /** The password field of shadow, `undefined` where the user has no line. */
  password(name: string): string | undefined {
    return this.parsed.shadow.get(name)?.[1];
  }

  /** Sets the hash and keeps the aging fields. */
  setPassword(name: string, hash: string): void {
    const old = this.parsed.shadow.get(name);
    if (old?.[1] === hash) return;
    const rest = old === undefined ? ['0', '99999', '7', '', '', ''] : old.slice(3);
    this.parsed.shadow.set([name, hash, today(), ...rest]);
  }

  save(): void {
    for (const name of ['group', 'gshadow', 'passwd', 'shadow'] as const) {
      const path = accountFiles[name];
      const text = this.parsed[name].toString();
      if (text !== this.texts.get(path)) writeAccountFile(this.files, path, text);
      this.texts.set(path, text);
    }
  }
}

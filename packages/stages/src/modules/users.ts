import { rightSpelling } from '@kairos/config/spellings';
import type { HostFiles } from '@kairos/host/host';
import { AccountChanges } from '../account-changes.ts';
import { isAccountField, isAccountName, type PasswdEntry } from '../accounts.ts';
import type { ModuleContext, StageModule } from '../context.ts';
import { type Field, isRecord } from '../field.ts';
import { parseAssignments } from '../operating-system.ts';
import { isPasswordHash, sha512Crypt, sha512CryptMatches } from '../sha512-crypt.ts';
import { addAuthorizedKeys } from '../ssh-keys.ts';

const keys = [
  'name',
  'passwd',
  'hashed_passwd',
  'plain_text_passwd',
  'homedir',
  'shell',
  'groups',
  'primary_group',
  'uid',
  'gecos',
  'no_create_home',
  'no_user_group',
  'no_log_init',
  'system',
  'lock_passwd',
  'ssh_authorized_keys',
];

const ordinary = { from: 1000, to: 60_000 };
const system = { from: 100, to: 999 };

interface Wanted {
  readonly name: string;
  readonly field: Field;
}

function wantedUsers(field: Field): Wanted[] {
  const named = isRecord(field.value)
    ? field.entries().map(([name, user]) => ({ name: user.key('name').text() ?? name, field: user }))
    : field.items().map((user) => ({ name: user.key('name').text() ?? '', field: user }));
  return named.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** A user with the keys that other schemas call differently under the names of this one. */
function respelt(user: Field, context: ModuleContext): Field {
  if (!isRecord(user.value)) return user;
  const value: Record<string, unknown> = {};
  let changed = false;
  for (const [key, item] of user.entries()) {
    const right = rightSpelling('users.0', key);
    if (right !== undefined) {
      changed = true;
      context.report({
        severity: 'warning',
        code: 'KEY_MISSPELT',
        message: `${key} is spelt ${right}`,
        position: item.keyPosition,
        hint: `Write ${right}`,
      });
    }
    if (right === undefined || user.key(right).empty) value[right ?? key] = item.value;
  }
  return changed ? user.with(value) : user;
}

/** One of the texts of a user, which ends up between colons. */
function plainField(field: Field, context: ModuleContext): string | undefined {
  const text = context.render(field);
  if (text !== undefined && !isAccountField(text)) {
    throw field.invalid(
      'FIELD_INVALID',
      `${field.name} holds a colon or a line break, which /etc/passwd cannot`,
    );
  }
  return text;
}

/** The value for shadow, or `undefined` to leave it as it is. */
function passwordField(user: Field, current: string | undefined, context: ModuleContext): string | undefined {
  const hash = user.key('hashed_passwd');
  const plain = user.key('plain_text_passwd');
  const either = user.key('passwd');
  const given = [hash, plain, either].find((field) => !field.empty && field.value !== '');
  const locked = user.key('lock_passwd').flag() ?? false;
  if (given === undefined) {
    if (locked) return current === undefined || current.startsWith('!') ? (current ?? '!') : `!${current}`;
    // `*` lets no password in and, unlike `!`, does not shut out keys where sshd runs without PAM.
    return current === undefined ? '*' : undefined;
  }
  if (locked) return '!';
  const text = plainField(given, context) ?? '';
  if (given !== plain && (isPasswordHash(text) || /^[!*]+$/.test(text))) return text;
  if (given === hash) {
    throw given.invalid('PASSWORD_HASH_INVALID', 'hashed_passwd is not a hash as crypt(5) writes it');
  }
  // The same password keeps its hash, so that a boot that changes nothing writes nothing.
  return current !== undefined && sha512CryptMatches(text, current) ? current : sha512Crypt(text);
}

/** Owners of homes: whoever has one gets its number back, although the accounts start anew at each boot. */
function ownersOfHomes(files: HostFiles, root: string): Map<string, number> {
  const owners = new Map<string, number>();
  for (const name of files.list(root)) {
    const status = files.status(`${root}/${name}`);
    if (status?.kind === 'directory') owners.set(name, status.uid);
  }
  return owners;
}

class UserCreation {
  private readonly defaults: Readonly<Record<string, string>>;
  private readonly homeRoot: string;
  private readonly homeOwners: ReadonlyMap<string, number>;

  constructor(
    private readonly accounts: AccountChanges,
    private readonly context: ModuleContext,
  ) {
    const { files } = context.host;
    this.defaults = parseAssignments(files.readTextIfAny('/etc/default/useradd') ?? '');
    this.homeRoot = this.defaults.HOME || '/home';
    this.homeOwners = ownersOfHomes(files, this.homeRoot);
  }

  home({ name, field }: Wanted): string {
    return plainField(field.key('homedir'), this.context) || `${this.homeRoot}/${name}`;
  }

  private taken(): Set<number> {
    return new Set(this.accounts.users().map(({ uid }) => uid));
  }

  /**
   * The number that a user brings along: the one in `uid`, else the owner of his home. Never 0, never another's.
   */
  fixedUid(wanted: Wanted): number | undefined {
    const taken = this.taken();
    const field = wanted.field.key('uid');
    const uid = field.count();
    if (uid !== undefined) {
      if (uid > 0 && uid < 0xffff_fffe && !taken.has(uid)) return uid;
      const other = this.accounts.users().find((entry) => entry.uid === uid)?.name;
      this.context.report({
        severity: 'error',
        code: 'UID_REFUSED',
        message:
          uid === 0
            ? `user ${wanted.name} asks for uid 0, which only root has; it gets another`
            : `user ${wanted.name} asks for uid ${uid}, which ${other === undefined ? 'is no user number' : `${other} has`}; it gets another`,
        position: field.position,
      });
      return undefined;
    }
    const owner = this.context.host.files.status(this.home(wanted))?.uid;
    return owner !== undefined && owner > 0 && !taken.has(owner) ? owner : undefined;
  }

  private freeUid(isSystem: boolean): number {
    const taken = this.taken();
    for (const owner of this.homeOwners.values()) taken.add(owner);
    if (isSystem) {
      for (let uid = system.to; uid >= system.from; uid--) if (!taken.has(uid)) return uid;
    } else {
      for (let uid = ordinary.from; uid <= ordinary.to; uid++) if (!taken.has(uid)) return uid;
    }
    throw new Error('no user number is free');
  }

  private primaryGroup({ name, field }: Wanted, uid: number): number {
    const asked = field.key('primary_group');
    const groupName = plainField(asked, this.context);
    if (groupName) {
      const group = this.accounts
        .groups()
        .find((entry) => entry.name === groupName || String(entry.gid) === groupName);
      if (group !== undefined) return group.gid;
      this.context.report({
        severity: 'error',
        code: 'GROUP_UNKNOWN',
        message: `there is no group ${JSON.stringify(groupName)}; user ${name} gets one of its own`,
        position: asked.position,
      });
    } else if (field.key('no_user_group').flag()) {
      const users = this.accounts.group('users');
      if (users !== undefined) return users.gid;
    }
    const own = this.accounts.group(name);
    if (own !== undefined && own.gid !== 0) return own.gid;
    const taken = new Set(this.accounts.groups().map(({ gid }) => gid));
    let gid = uid;
    while (taken.has(gid)) gid = gid >= ordinary.to ? ordinary.from : gid + 1;
    this.accounts.addGroup(name, gid);
    return gid;
  }

  create(wanted: Wanted, fixed: number | undefined): PasswdEntry {
    const { name, field } = wanted;
    const uid = fixed ?? this.freeUid(field.key('system').flag() ?? false);
    const entry: PasswdEntry = {
      name,
      password: 'x',
      uid,
      gid: this.primaryGroup(wanted, uid),
      gecos: plainField(field.key('gecos'), this.context) ?? '',
      home: this.home(wanted),
      shell: plainField(field.key('shell'), this.context) || this.defaults.SHELL || '/bin/sh',
    };
    this.accounts.setUser(entry);
    return entry;
  }
}

/** Groups as a list, or as cloud-init's comma-separated text. */
function groupNames(field: Field): string[] {
  return field
    .texts()
    .flatMap((text) => text.split(','))
    .map((text) => text.trim())
    .filter(Boolean);
}

function joinGroups({ name, field }: Wanted, accounts: AccountChanges, context: ModuleContext): void {
  const groups = field.key('groups');
  for (const group of groupNames(groups)) {
    if (accounts.group(group) !== undefined) {
      accounts.addMember(group, name);
      continue;
    }
    context.report({
      severity: 'error',
      code: 'GROUP_UNKNOWN',
      message: `there is no group ${JSON.stringify(group)} for user ${name}`,
      position: groups.position,
    });
  }
}

/** What an existing user gets where the configuration says so: never another number. */
function update(
  entry: PasswdEntry,
  { name, field }: Wanted,
  accounts: AccountChanges,
  context: ModuleContext,
): void {
  const uid = field.key('uid').count();
  if (uid !== undefined && uid !== entry.uid) {
    context.report({
      severity: 'warning',
      code: 'UID_KEPT',
      message: `user ${name} exists with uid ${entry.uid} and keeps it, although ${uid} is asked for`,
      position: field.key('uid').position,
    });
  }
  accounts.setUser({
    ...entry,
    gecos: plainField(field.key('gecos'), context) ?? entry.gecos,
    home: plainField(field.key('homedir'), context) || entry.home,
    shell: plainField(field.key('shell'), context) || entry.shell,
  });
}

function makeHome(entry: PasswdEntry, context: ModuleContext): void {
  const { files } = context.host;
  const old = files.status(entry.home);
  if (old === undefined) files.makeDirectory(entry.home, { mode: 0o755 });
  else if (old.kind !== 'directory' || (old.uid === entry.uid && old.gid === entry.gid)) return;
  files.chown(entry.home, entry.uid, entry.gid);
}

/**
 * Makes users and gives existing ones what the configuration says. Numbers are stable: those who bring one along
 * (in `uid`, or as owner of a home) are served first, the others get the first free one in order of their names.
 */
export const users: StageModule = async (field, context) => {
  const accounts = new AccountChanges(context.host.files);
  const creation = new UserCreation(accounts, context);
  const ready: Wanted[] = [];
  const pending: { readonly wanted: Wanted; readonly uid: number | undefined }[] = [];
  for (const given of wantedUsers(field)) {
    const wanted = { ...given, field: respelt(given.field, context) };
    await context.attempt(wanted.field, () => {
      const { name, field: user } = wanted;
      user.checkKeys(keys, context.report);
      if (!isAccountName(name)) {
        throw user.invalid(
          'USER_NAME_INVALID',
          name === '' ? 'a user has no name' : `${JSON.stringify(name)} cannot be the name of a user`,
          'Use lower case letters, digits, - and _, at most 32',
        );
      }
      const existing = accounts.user(name);
      if (existing !== undefined) {
        update(existing, wanted, accounts, context);
        ready.push(wanted);
        return;
      }
      if (name === 'root') throw user.invalid('ROOT_MISSING', '/etc/passwd has no root, and none is made');
      const uid = creation.fixedUid(wanted);
      if (uid === undefined) {
        pending.push({ wanted, uid });
        return;
      }
      creation.create(wanted, uid);
      ready.push(wanted);
    });
  }
  for (const { wanted, uid } of pending) {
    const made = await context.attempt(wanted.field, () => {
      creation.create(wanted, uid);
    });
    if (made) ready.push(wanted);
  }
  for (const wanted of ready) {
    await context.attempt(wanted.field, () => joinGroups(wanted, accounts, context));
    await context.attempt(wanted.field, () => {
      const password = passwordField(wanted.field, accounts.password(wanted.name), context);
      if (password !== undefined) accounts.setPassword(wanted.name, password);
    });
    // Without a line in shadow some programs take the account for one without a password.
    if (accounts.password(wanted.name) === undefined) accounts.setPassword(wanted.name, '!');
  }
  accounts.save();
  for (const wanted of ready) {
    const entry = accounts.user(wanted.name);
    if (entry === undefined) continue;
    await context.attempt(wanted.field, () => {
      if (!wanted.field.key('no_create_home').flag()) makeHome(entry, context);
    });
    const list = wanted.field.key('ssh_authorized_keys');
    if (!list.empty) await context.attempt(list, () => addAuthorizedKeys(entry, list, context));
  }
};

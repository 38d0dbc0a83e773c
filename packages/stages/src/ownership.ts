import type { HostFiles } from '@kairos/host/host';
import { findGroup, findUser } from './accounts.ts';
import type { Field } from './field.ts';

/** Empty where none is asked for: what is made then belongs to whoever makes it, which is root on a node. */
export interface Ownership {
  readonly uid?: number;
  readonly gid?: number;
}

const isNumber = (text: string) => /^\d+$/.test(text);

function userOf(files: HostFiles, name: string, field: Field): { uid: number; gid: number | undefined } {
  if (isNumber(name)) return { uid: Number(name), gid: undefined };
  const user = findUser(files, name);
  if (user === undefined) {
    throw field.invalid('USER_UNKNOWN', `there is no user ${JSON.stringify(name)} in /etc/passwd`);
  }
  return { uid: user.uid, gid: user.gid };
}

function groupOf(files: HostFiles, name: string, field: Field): number {
  if (isNumber(name)) return Number(name);
  const group = findGroup(files, name);
  if (group === undefined) {
    throw field.invalid('GROUP_UNKNOWN', `there is no group ${JSON.stringify(name)} in /etc/group`);
  }
  return group.gid;
}

/**
 * The owner that a file, directory or download asks for: `owner` and `group` as numbers or names, `user:group` in
 * `ownerstring` or, as cloud-init writes it, in `owner`. Where one of the two is named, the other is root.
 *
 * @throws KairosError `USER_UNKNOWN`, `GROUP_UNKNOWN`, `OWNER_INVALID`
 */
export function ownershipOf(files: HostFiles, item: Field): Ownership {
  const ownerString = item.key('ownerstring');
  const ownerField = item.key('owner');
  const owner = ownerField.text() ?? '';
  const pair = ownerString.text() || (owner.includes(':') ? owner : '');
  if (pair !== '') {
    const field = ownerString.empty ? ownerField : ownerString;
    const [name = '', group = '', ...more] = pair.split(':');
    if (more.length > 0 || name + group === '') {
      throw field.invalid('OWNER_INVALID', `${JSON.stringify(pair)} is not user:group`);
    }
    const user = name === '' ? { uid: 0, gid: 0 } : userOf(files, name, field);
    return { uid: user.uid, gid: group === '' ? (user.gid ?? 0) : groupOf(files, group, field) };
  }
  const groupField = item.key('group');
  const group = groupField.text() ?? '';
  if (owner === '' && group === '') return {};
  const uid = owner === '' ? 0 : userOf(files, owner, ownerField).uid;
  return { uid, gid: group === '' ? 0 : groupOf(files, group, groupField) };
}

import { parseDocument } from '@kairos/config/document';
import { KairosError } from '@kairos/facts/errors';
import { AccountFile, accountFiles, isAccountField, isAccountName, writeAccountFile } from '../accounts.ts';
import type { ModuleContext, StageModule } from '../context.ts';
import { Field } from '../field.ts';
import { writablePath } from '../links.ts';
import { isPasswordHash, sha512Crypt } from '../sha512-crypt.ts';
import { absolutePath } from './files.ts';

const kinds = {
  user: { path: accountFiles.passwd, name: 'username' },
  shadow: { path: accountFiles.shadow, name: 'username' },
  group: { path: accountFiles.group, name: 'group_name' },
  gshadow: { path: accountFiles.gshadow, name: 'name' },
} as const;
type Kind = keyof typeof kinds;

interface Entity {
  readonly kind: Kind;
  readonly name: string;
  readonly path: string;
  readonly field: Field;
}

/** The entity is YAML within YAML; its own positions are no use, those of the text are. */
function entityOf(item: Field, context: ModuleContext): Entity {
  item.checkKeys(['path', 'entity'], context.report);
  const text = context.render(item.key('entity')) ?? '';
  const place = item.key('entity').position;
  let field: Field;
  try {
    const document = parseDocument(text, place.file);
    field = new Field(
      { ...document, positionOf: () => place, keyPositionOf: () => place },
      [],
      document.value,
    );
  } catch (error) {
    throw item
      .key('entity')
      .invalid('ENTITY_INVALID', error instanceof Error ? error.message : String(error));
  }
  const kind = field.key('kind').text() ?? '';
  if (!Object.hasOwn(kinds, kind)) {
    throw field.invalid(
      'ENTITY_INVALID',
      `an entity cannot be of kind ${JSON.stringify(kind)}`,
      'Write user, group, shadow or gshadow',
    );
  }
  const known = kind as Kind;
  const name = field.key(kinds[known].name).text() ?? field.key('name').text() ?? '';
  if (!isAccountName(name)) {
    throw field.invalid('ENTITY_INVALID', `${JSON.stringify(name)} cannot be the name of a ${kind}`);
  }
  const path = item.key('path').empty ? kinds[known].path : absolutePath(item.key('path'), context);
  return { kind: known, name, path: writablePath(context.host.files, path), field };
}

function value(field: Field, key: string, otherwise: string): string {
  const text = field.key(key).text() ?? otherwise;
  if (!isAccountField(text)) throw field.invalid('ENTITY_INVALID', `${key} holds a colon or a line break`);
  return text;
}

/** A password as it may stand in these files: a plain one is hashed. */
function password(field: Field, otherwise: string): string {
  const text = value(field, 'password', otherwise);
  return text === '' || text === 'x' || /^[!*]+$/.test(text) || isPasswordHash(text)
    ? text
    : sha512Crypt(text);
}

function number(field: Field, key: string, otherwise: string, free: () => number): string {
  const text = field.key(key).text();
  if (text === undefined || text === '') return otherwise;
  if (text === '-1') return String(free());
  if (!/^\d+$/.test(text))
    throw field.invalid('ENTITY_INVALID', `${key} is ${JSON.stringify(text)}, not a number`);
  return text;
}

function list(field: Field, key: string, old: string): string {
  const names = [
    ...old.split(','),
    ...field
      .key(key)
      .texts()
      .flatMap((text) => text.split(',')),
  ];
  const unique = [...new Set(names.map((name) => name.trim()).filter(Boolean))];
  if (!unique.every(isAccountField))
    throw field.invalid('ENTITY_INVALID', `${key} holds a colon or a line break`);
  return unique.join(',');
}

/** The line for an entity over the one that is there, which keeps what the entity does not say. */
function lineOf({ kind, name, field }: Entity, file: AccountFile): string[] {
  const old = file.get(name);
  const was = (index: number, otherwise: string) => old?.[index] ?? otherwise;
  const free = (): number => {
    const taken = new Set(file.entries().map((entry) => Number(entry[2])));
    let next = 1000;
    while (taken.has(next)) next++;
    return next;
  };
  const plain = (key: string, index: number, otherwise: string) => value(field, key, was(index, otherwise));
  switch (kind) {
    case 'user': {
      const uid = number(field, 'uid', was(2, String(free())), free);
      if (uid === '0' && old?.[2] !== '0' && name !== 'root') {
        throw new KairosError('UID_REFUSED', `user ${name} asks for uid 0, which only root has`, {
          exit: 'invalidInput',
          position: field.position,
        });
      }
      return [
        name,
        password(field, was(1, 'x')),
        uid,
        number(field, 'gid', was(3, uid), free),
        plain('info', 4, ''),
        plain('homedir', 5, `/home/${name}`),
        plain('shell', 6, '/bin/sh'),
      ];
    }
    case 'group':
      return [
        name,
        password(field, was(1, 'x')),
        number(field, 'gid', was(2, String(free())), free),
        list(field, 'users', was(3, '')),
      ];
    case 'gshadow':
      return [
        name,
        password(field, was(1, '!')),
        list(field, 'administrators', was(2, '')),
        list(field, 'members', was(3, '')),
      ];
    case 'shadow': {
      const changed =
        field.key('last_changed').text() === 'now'
          ? String(Math.floor(Date.now() / 86_400_000))
          : plain('last_changed', 2, '');
      return [
        name,
        password(field, was(1, '!')),
        changed,
        plain('minimum_changed', 3, '0'),
        plain('maximum_changed', 4, '99999'),
        plain('warn', 5, '7'),
        plain('inactive', 6, ''),
        plain('expire', 7, ''),
        was(8, ''),
      ];
    }
  }
}

async function edit(
  field: Field,
  context: ModuleContext,
  change: (file: AccountFile, entity: Entity) => void,
): Promise<void> {
  const { files } = context.host;
  for (const item of field.items()) {
    if (item.empty) continue;
    await context.attempt(item, () => {
      const entity = entityOf(item, context);
      const text = files.readTextIfAny(entity.path) ?? '';
      const file = AccountFile.parse(text);
      change(file, entity);
      if (file.toString() !== text) writeAccountFile(files, entity.path, file.toString());
    });
  }
}

/** Adds lines to the account files, or changes what they say. */
export const ensureEntities: StageModule = (field, context) =>
  edit(field, context, (file, entity) => file.set(lineOf(entity, file)));

/** Takes lines out of the account files, by name. */
export const deleteEntities: StageModule = (field, context) =>
  edit(field, context, (file, entity) => {
    file.delete(entity.name);
  });

import type { StageModule } from '../context.ts';
import { writablePath } from '../links.ts';
import { absolutePath, ownershipOrNone } from './files.ts';

const defaultMode = 0o755;

/** Makes directories and gives them their mode and owner, also those that are there already. */
export const directories: StageModule = async (field, context) => {
  const { files } = context.host;
  for (const item of field.items()) {
    if (item.empty) continue;
    await context.attempt(item, () => {
      const whole = typeof item.value === 'string';
      if (!whole) item.checkKeys(['path', 'permissions', 'owner', 'group', 'ownerstring'], context.report);
      const path = writablePath(files, absolutePath(whole ? item : item.key('path'), context));
      const old = files.status(path);
      if (old !== undefined && old.kind !== 'directory') {
        throw item.invalid('NOT_A_DIRECTORY', `${path} is there and is not a directory`);
      }
      const wanted = whole ? undefined : item.key('permissions').permissions(context.report);
      files.makeDirectory(path);
      const { uid, gid } = whole ? {} : ownershipOrNone(item, context);
      if (uid !== undefined && gid !== undefined) files.chown(path, uid, gid);
      // After the owner: a change of owner clears setuid and setgid.
      if (old === undefined || wanted !== undefined) files.chmod(path, wanted ?? defaultMode);
    });
  }
};

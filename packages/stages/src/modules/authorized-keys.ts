import { findUser } from '../accounts.ts';
import type { StageModule } from '../context.ts';
import { addAuthorizedKeys } from '../ssh-keys.ts';

/** Adds SSH keys to users that exist. */
export const authorizedKeys: StageModule = async (field, context) => {
  for (const [name, keys] of field.entries()) {
    if (keys.empty) continue;
    await context.attempt(keys, async () => {
      const user = findUser(context.host.files, name);
      if (user === undefined) {
        throw keys.invalid('USER_UNKNOWN', `there is no user ${JSON.stringify(name)} to give keys to`);
      }
      await addAuthorizedKeys(user, keys, context);
    });
  }
};

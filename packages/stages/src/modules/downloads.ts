import { GiB } from '@kairos/facts/size';
import { urlWithoutSecrets } from '@kairos/facts/url';
import { writeStream } from '@kairos/host/streams';
import type { ModuleContext, StageModule } from '../context.ts';
import { fetchStream } from '../fetch-content.ts';
import type { Field } from '../field.ts';
import { resolvePath, writablePath } from '../links.ts';
import { absolutePath, ownershipOrNone } from './files.ts';

const keys = ['path', 'url', 'timeout', 'permissions', 'owner', 'group', 'ownerstring'];
const maximumSize = 64 * GiB;
/** Seconds, where the download says none. */
const defaultTimeout = 600;
const attempts = 5;

/** Where a download goes: into a directory under the last part of its address. */
function target(item: Field, url: string, context: ModuleContext): string {
  const { files } = context.host;
  const path = absolutePath(item.key('path'), context);
  const resolved = resolvePath(files, path);
  const isDirectory = resolved !== undefined && files.status(resolved)?.kind === 'directory';
  if (!isDirectory && !path.endsWith('/')) return writablePath(files, path);
  const name = decodeURIComponent(new URL(url).pathname.split('/').at(-1) ?? '');
  if (name === '' || name === '.' || name === '..' || name.includes('/') || name.includes('\0')) {
    throw item
      .key('url')
      .invalid('URL_INVALID', `${urlWithoutSecrets(url)} names no file to put into ${path}`);
  }
  return writablePath(files, `${path.replace(/\/+$/, '')}/${name}`);
}

async function download(item: Field, context: ModuleContext): Promise<void> {
  const { files } = context.host;
  item.checkKeys(keys, context.report);
  item.key('url').requiredText('the address to download');
  const url = context.render(item.key('url')) ?? '';
  if (!URL.canParse(url))
    throw item
      .key('url')
      .invalid('URL_INVALID', `${JSON.stringify(urlWithoutSecrets(url))} is not an address`);
  const path = target(item, url, context);
  const mode = item.key('permissions').permissions(context.report) ?? 0o644;
  const timeout = item.key('timeout').count() || defaultTimeout;
  context.note({ kind: 'download', summary: `download ${urlWithoutSecrets(url)} to ${path}` });
  if (context.dryRun) return;
  const { uid, gid } = ownershipOrNone(item, context);
  const owned = uid !== undefined && gid !== undefined;
  // A file for someone else gets its owner before it gets its name.
  const partial = owned ? `${path}.download` : path;
  try {
    await fetchStream(context.services, url, { size: maximumSize, time: timeout * 1000, attempts }, (body) =>
      writeStream(files, partial, body, { mode: owned ? 0o600 : mode }),
    );
    if (!owned) return;
    files.chown(partial, uid, gid);
    files.chmod(partial, mode);
    files.rename(partial, path);
  } catch (error) {
    if (owned) files.remove(partial);
    throw error;
  }
}

/** Downloads files, each there whole or not at all. Certificates are checked. */
export const downloads: StageModule = async (field, context) => {
  for (const item of field.items()) {
    if (!item.empty) await context.attempt(item, () => download(item, context));
  }
};

import { tarError } from './tar-header.ts';

/**
 * The place of an entry below the root it is unpacked to: components joined by `/`, empty for the root itself.
 * `./` and doubled slashes go; what could lead elsewhere is refused.
 * @param where Archive and entry, for messages.
 * @param absolute `inside`: an absolute path begins at the root that is unpacked to.
 * @throws KairosError `TAR_ABSOLUTE_PATH`, `TAR_PATH_ESCAPES`
 */
export function entryPath(name: string, where: string, absolute: 'refuse' | 'inside' = 'refuse'): string {
  if (absolute === 'refuse' && name.startsWith('/'))
    throw tarError('TAR_ABSOLUTE_PATH', where, `${JSON.stringify(name)} is an absolute path`);
  // The usual name needs no work: this runs a hundred thousand times for a root.
  if (
    !name.startsWith('/') &&
    !name.includes('./') &&
    !name.includes('//') &&
    !name.endsWith('/') &&
    !name.endsWith('.')
  )
    return name;
  const components: string[] = [];
  for (const component of name.split('/')) {
    if (component === '..') {
      throw tarError('TAR_PATH_ESCAPES', where, `${JSON.stringify(name)} climbs by a ".." component`);
    }
    if (component !== '' && component !== '.') components.push(component);
  }
  return components.join('/');
}

import { isIP } from 'node:net';
import type { ModuleContext, StageModule } from '../context.ts';
import type { Field } from '../field.ts';
import { absolutePath } from './files.ts';

function words(field: Field, context: ModuleContext): string[] {
  return field.items().flatMap((item) => {
    const text = (context.render(item) ?? '').trim();
    if (/[\s;#]/.test(text))
      throw item.invalid('DNS_INVALID', `${JSON.stringify(text)} is more than one word`);
    return text === '' ? [] : [text];
  });
}

/**
 * Writes resolv.conf(5). A link at its place, as resolver daemons put it, is replaced: written through, the text
 * would be theirs to overwrite.
 */
export const dns: StageModule = (field, context) => {
  field.checkKeys(['nameservers', 'search', 'options', 'path'], context.report);
  const pathField = field.key('path');
  const path =
    pathField.empty || pathField.value === '' ? '/etc/resolv.conf' : absolutePath(pathField, context);
  const nameservers = words(field.key('nameservers'), context);
  for (const server of nameservers) {
    if (isIP(server) === 0) {
      throw field.key('nameservers').invalid('DNS_INVALID', `${JSON.stringify(server)} is not an IP address`);
    }
  }
  const search = words(field.key('search'), context);
  const options = words(field.key('options'), context);
  const lines = [
    ...(search.length > 0 ? [`search ${search.join(' ')}`] : []),
    ...nameservers.map((server) => `nameserver ${server}`),
    ...(options.length > 0 ? [`options ${options.join(' ')}`] : []),
  ];
  if (lines.length > 0) context.host.files.write(path, `${lines.join('\n')}\n`);
};

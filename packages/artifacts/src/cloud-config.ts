import { parseDocument } from '@kairos/config/document';
import { KairosError } from '@kairos/facts/errors';

/**
 * Refuses a cloud-config that no node could read: what is baked into an artifact is found out on a console far away
 * otherwise. Keys are not judged here.
 *
 * @throws KairosError `YAML_INVALID`, `CLOUD_CONFIG_NOT_A_MAPPING` (exit `invalidInput`, with the position)
 */
export function checkCloudConfig(text: string, file: string): void {
  const document = parseDocument(text, file);
  const { value } = document;
  if (value === null || (typeof value === 'object' && !Array.isArray(value))) return;
  const position = document.positionOf([]);
  throw new KairosError(
    'CLOUD_CONFIG_NOT_A_MAPPING',
    `${file}:${position.line}:${position.column}: a cloud-config is a mapping of keys to values, not ${Array.isArray(value) ? 'a list' : 'a single value'}`,
    {
      exit: 'invalidInput',
      position,
      hint: 'Begin with #cloud-config and top-level keys such as users: or stages:',
    },
  );
}

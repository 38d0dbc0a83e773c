import { parseDocument } from '@kairos/config/document';
import { grubOptionsProblems, initialGrubOptions, type WithGrubOptions } from '@kairos/config/grub-options';
import { withRightSpellings } from '@kairos/config/spellings';
import { plainValue, treeOfDocument } from '@kairos/config/tree';
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

/**
 * The variables of GRUB's environment that a disk with this cloud-config begins with, as an installation writes them.
 * Templates know the node, which is not there yet: those of the node's own `grub_options` are left to its first start,
 * which sets them.
 *
 * @throws KairosError `VALUE_INVALID`; `TEMPLATE_NOT_RENDERED` where `install.grub_options` holds a template, which nothing would
 *   render later
 */
export function diskGrubOptions(text: string, file: string): Record<string, string> {
  const document = parseDocument(text, file);
  const tree = withRightSpellings(treeOfDocument(document), []);
  for (const { code, message, position, hint } of grubOptionsProblems(tree)) {
    throw new KairosError(code, `${file}:${position.line}:${position.column}: ${message}`, {
      ...{ exit: 'invalidInput', position },
      ...(hint === undefined ? {} : { hint }),
    });
  }
  const config = plainValue(tree) as WithGrubOptions | null;
  const options = initialGrubOptions(config ?? {});
  const ofInstallation = initialGrubOptions({ install: config?.install ?? null });
  return Object.fromEntries(
    Object.entries(options).filter(([name, value]) => {
      if (!value.includes('{{')) return true;
      if (!(name in ofInstallation)) return false;
      const position = document.positionOf(['install', 'grub_options', name]);
      throw new KairosError(
        'TEMPLATE_NOT_RENDERED',
        `${file}:${position.line}:${position.column}: install.grub_options.${name} holds a template, and this disk is not installed by a node that could render it`,
        {
          exit: 'invalidInput',
          position,
          hint: `Put ${name} under grub_options, which the first start of the node sets`,
        },
      );
    }),
  );
}

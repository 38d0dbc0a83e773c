import { KairosError } from '@kairos/facts/errors';
import type { StageModule } from '../context.ts';
import { absolutePath } from './files.ts';

/** Unpacks OCI images into directories. */
export const unpackImages: StageModule = async (field, context) => {
  for (const item of field.items()) {
    if (item.empty) continue;
    await context.attempt(item, async () => {
      item.checkKeys(['source', 'target', 'platform'], context.report);
      item.key('source').requiredText('the image to unpack');
      const source = context.render(item.key('source')) ?? '';
      const target = absolutePath(item.key('target'), context);
      const platform = context.render(item.key('platform'));
      if (context.dryRun) {
        context.note({ kind: 'download', summary: `unpack ${source} into ${target}` });
        return;
      }
      const { unpackImage } = context.services;
      if (unpackImage === undefined) {
        throw new KairosError('UNPACKING_UNAVAILABLE', `nothing here can unpack ${source}`, {
          position: item.position,
        });
      }
      context.host.files.makeDirectory(target);
      await unpackImage(source, target, platform ? { platform } : {});
    });
  }
};

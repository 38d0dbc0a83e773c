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
      context.host.files.makeDirectory(target);
      await context.services.unpackImage(source, target, platform ? { platform } : {});
    });
  }
};

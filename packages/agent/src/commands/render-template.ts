import { configDirectories } from '@kairos/config/collect';
import { renderTemplate } from '@kairos/config/template';
import type { Host } from '@kairos/host/host';
import { randomWord, stageFacts } from '@kairos/stages/facts';
import { collectConfig } from '../collect-config.ts';
import { readState } from '../state.ts';

/**
 * Renders a template on this node: `.Config` is the merged configuration, `.State` what `state` tells, `.Values` the
 * system information that stages have. Each is found only where the text names it.
 * @throws KairosError `TEMPLATE_INVALID`, `TEMPLATE_FAILED` with the position
 */
export async function renderTemplateOnNode(host: Host, text: string, file: string): Promise<string> {
  const data: Record<string, unknown> = {};
  if (text.includes('.Config')) {
    const { config } = await collectConfig(host, {
      directories: configDirectories,
      files: [],
      commandLine: true,
    });
    data.Config = config;
  }
  if (text.includes('.State')) data.State = await readState(host);
  if (text.includes('.Values')) data.Values = { ...stageFacts(host).values, Random: randomWord(32) };
  return renderTemplate(text, data, { file });
}

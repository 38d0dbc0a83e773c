import { renderTemplate } from '@kairos/config/template';
import { plainValue } from '@kairos/config/tree';
import type { Host } from '@kairos/host/host';
import { randomWord, stageFacts } from '@kairos/stages/facts';
import { type Configuration, type ConfigurationRequest, readConfiguration } from '../configuration.ts';
import { readState } from '../state/state.ts';

export interface RenderOptions extends Pick<ConfigurationRequest, 'remote'> {
  /** Is given the configuration, to say what of it does not count. */
  readonly onLeftOut?: (configuration: Configuration) => void;
}

/**
 * Renders a template on this node: `.Config` is the merged configuration, `.State` what `state` tells, `.Values` the
 * system information that stages have. Each is found only where the text names it.
 * @throws KairosError `TEMPLATE_INVALID`, `TEMPLATE_FAILED` with the position
 */
export async function renderTemplateOnNode(
  host: Host,
  text: string,
  file: string,
  { remote, onLeftOut }: RenderOptions = {},
): Promise<string> {
  const data: Record<string, unknown> = {};
  if (text.includes('.Config')) {
    const configuration = await readConfiguration(host, {
      commandLine: true,
      ...(remote === undefined ? {} : { remote }),
    });
    onLeftOut?.(configuration);
    data.Config = plainValue(configuration.tree);
  }
  if (text.includes('.State')) data.State = await readState(host);
  if (text.includes('.Values')) data.Values = { ...stageFacts(host).values, Random: randomWord(32) };
  return renderTemplate(text, data, { file });
}

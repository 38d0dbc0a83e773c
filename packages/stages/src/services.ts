import { renderTemplate } from '@kairos/config/template';
import type { StageServices } from './context.ts';

/** What the engine uses where the caller gives nothing else. */
export const defaultServices: Omit<StageServices, 'unpackImage'> = {
  fetch: (url, options) => fetch(url, options),
  delay: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
  render: (text, data, options) => renderTemplate(text, data, options),
};

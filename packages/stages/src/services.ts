import { KairosError } from '@kairos/facts/errors';
import type { StageServices } from './context.ts';

/** What the engine uses where the caller gives nothing else. */
export const defaultServices: StageServices = {
  fetch: (url, options) => fetch(url, options),
  delay: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
  render(_text, _data, { file, origin }) {
    throw new KairosError('TEMPLATE_UNAVAILABLE', 'templates need a renderer', {
      ...(origin === undefined ? {} : { position: { file, ...origin } }),
    });
  },
};

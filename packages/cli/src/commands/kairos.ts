import { routeMap } from '../application.ts';
import { agentRoutes } from './agent.ts';
import { buildIsoCommand, buildRawCommand } from './build-artifact.ts';
import { buildImageCommand } from './build-image.ts';
import { completionCommand } from './completion.ts';
import { imageCheckCommand } from './image-check.ts';
import { imageExtractCommand } from './image-extract.ts';

export const kairosRoutes = routeMap({
  routes: {
    build: routeMap({
      routes: { image: buildImageCommand, iso: buildIsoCommand, raw: buildRawCommand },
      docs: { brief: 'Build OS images and artifacts from them' },
    }),
    image: routeMap({
      routes: { check: imageCheckCommand, extract: imageExtractCommand },
      docs: { brief: 'Look at roots and images' },
    }),
    agent: agentRoutes,
    completion: completionCommand,
  },
  docs: {
    brief: 'Turns any Linux distribution into an immutable, A/B-upgradable operating system',
    fullDescription:
      'Turns any Linux distribution into an immutable, A/B-upgradable operating system.\n' +
      'The same file is also kairos-agent and immucore: call it by these names.',
  },
});

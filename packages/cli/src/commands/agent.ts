import { routeMap } from '../application.ts';
import { completionCommand } from './completion.ts';

export const agentRoutes = routeMap({
  routes: { completion: completionCommand },
  docs: { brief: 'Installs and runs a node' },
});

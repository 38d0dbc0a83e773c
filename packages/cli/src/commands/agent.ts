import { routeMap } from '../application.ts';
import { configRoutes, printSchemaCommand, validateCommand } from './agent-config.ts';
import { installCommand, manualInstallCommand } from './agent-install.ts';
import { bootEntryCommand, bootGoodCommand, rollbackCommand, upgradeCommand } from './agent-slots.ts';
import { runStageCommand } from './agent-stage.ts';
import { stateRoutes } from './agent-state.ts';
import { completionCommand } from './completion.ts';

export const agentRoutes = routeMap({
  routes: {
    install: installCommand,
    'manual-install': manualInstallCommand,
    upgrade: upgradeCommand,
    rollback: rollbackCommand,
    bootentry: bootEntryCommand,
    'boot-good': bootGoodCommand,
    state: stateRoutes,
    config: configRoutes,
    validate: validateCommand,
    'print-schema': printSchemaCommand,
    'run-stage': runStageCommand,
    completion: completionCommand,
  },
  aliases: { i: 'install', m: 'manual-install', s: 'state', c: 'config' },
  docs: { brief: 'Installs and runs a node' },
});

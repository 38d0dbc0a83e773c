import { routeMap } from '../application.ts';
import { installBundleCommand } from './agent-bundle.ts';
import { configRoutes, printSchemaCommand, renderTemplateCommand, validateCommand } from './agent-config.ts';
import { confextRoutes, sysextRoutes } from './agent-extensions.ts';
import { healthCommand } from './agent-health.ts';
import { installCommand, manualInstallCommand } from './agent-install.ts';
import { interactiveInstallCommand, webuiCommand } from './agent-installers.ts';
import { grubEditRoutes, logsCommand, uuidCommand, versionCommand } from './agent-node.ts';
import { phoneHomeRoutes } from './agent-phone-home.ts';
import { notifyCommand, recoveryCommand, startCommand } from './agent-providers.ts';
import { pullImageCommand, versioneerRoutes } from './agent-releases.ts';
import { resetCommand } from './agent-reset.ts';
import { bootEntryCommand, bootGoodCommand, rollbackCommand, upgradeRoutes } from './agent-slots.ts';
import { runStageCommand } from './agent-stage.ts';
import { stateRoutes } from './agent-state.ts';
import { completionCommand } from './completion.ts';

export const agentRoutes = routeMap({
  routes: {
    install: installCommand,
    'manual-install': manualInstallCommand,
    'interactive-install': interactiveInstallCommand,
    webui: webuiCommand,
    upgrade: upgradeRoutes,
    rollback: rollbackCommand,
    bootentry: bootEntryCommand,
    'boot-good': bootGoodCommand,
    reset: resetCommand,
    health: healthCommand,
    state: stateRoutes,
    config: configRoutes,
    validate: validateCommand,
    'print-schema': printSchemaCommand,
    'render-template': renderTemplateCommand,
    'run-stage': runStageCommand,
    'install-bundle': installBundleCommand,
    sysext: sysextRoutes,
    confext: confextRoutes,
    'phone-home': phoneHomeRoutes,
    grubedit: grubEditRoutes,
    logs: logsCommand,
    uuid: uuidCommand,
    version: versionCommand,
    start: startCommand,
    notify: notifyCommand,
    recovery: recoveryCommand,
    'pull-image': pullImageCommand,
    versioneer: versioneerRoutes,
    completion: completionCommand,
  },
  aliases: {
    i: 'install',
    m: 'manual-install',
    w: 'webui',
    s: 'start',
    c: 'config',
    r: 'recovery',
    u: 'uuid',
  },
  docs: { brief: 'Installs and runs a node' },
});

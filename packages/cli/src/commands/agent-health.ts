import { buildCommand } from '@stricli/core';
import type { Context } from '../application.ts';
import { jsonFlag } from './flags.ts';

export const healthCommand = buildCommand<{ readonly wait: boolean; readonly json: boolean }, [], Context>({
  docs: {
    brief: 'Run the health checks that decide whether a new system is good, and change nothing',
    fullDescription:
      'Runs the built-in checks, the programs in /etc/kairos/health.d and health: of the configuration. Exits with 22 where a required one fails.',
  },
  parameters: {
    flags: {
      wait: {
        kind: 'boolean',
        brief: 'Run what fails again until the deadline (health.deadline), as after an upgrade',
        default: false,
        withNegated: false,
      },
      json: jsonFlag,
    },
  },
  async func({ wait, json }) {
    const { healthVerb } = await import('../health-verb.ts');
    this.process.exitCode = await healthVerb({ wait, json });
  },
});

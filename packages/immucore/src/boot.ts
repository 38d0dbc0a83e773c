import { bootStateNames } from '@kairos/facts/boot-state';
import { reasonOf } from '@kairos/facts/errors';
import { paths } from '@kairos/facts/paths';
import type { Clock } from '@kairos/host/clock';
import type { Host } from '@kairos/host/host';
import { blockDevices } from './block-devices.ts';
import { performStep } from './boot-actions.ts';
import type { BootContext, StageRunner } from './boot-context.ts';
import type { BootFacts } from './boot-facts.ts';
import { bootLog } from './boot-log.ts';
import { type BootStep, planAssembly, planOpening } from './boot-plan.ts';
import { type BootReport, bootReport, complaintOf, writeReport } from './boot-report.ts';
import { keepTrace } from './boot-trace.ts';
import { executePlan, type StepResult } from './execute-plan.ts';
import { hardwareOf } from './hardware.ts';
import { resolveLayout } from './layout.ts';

/** Seconds since the kernel started. */
function uptimeOf(host: Host): number | undefined {
  const seconds = Number.parseFloat(host.files.readTextIfAny('/proc/uptime') ?? '');
  return Number.isFinite(seconds) ? seconds : undefined;
}

/**
 * Boots: plans, carries out, reports. Never throws for what a step runs into; the report says it.
 *
 * @returns the report, which is also written to `/run/immucore`
 */
export async function boot(
  host: Host,
  facts: BootFacts,
  options: { readonly runStage: StageRunner; readonly clock: Clock },
): Promise<BootReport> {
  const { clock, runStage } = options;
  const started = clock.now();
  const uptime = uptimeOf(host);
  const log = bootLog(host.files, clock);
  log.note(`${bootStateNames[facts.state]}, slot ${facts.slot ?? 'not named'}`);
  const loadHardware = hardwareOf(host, log.complain);
  const context: BootContext = {
    host,
    facts,
    clock,
    runStage,
    devices: blockDevices(host, clock, paths.cosState, loadHardware),
    loadHardware,
    mounted: [],
    stageTroubles: [],
    volumes: new Map(),
    seedFailures: new Map(),
    boundBefore: undefined,
    layout: undefined,
    machineId: undefined,
    hostname: undefined,
  };
  const onResult = (result: StepResult): void => {
    const complaint = complaintOf(result);
    if (complaint !== undefined) log.complain(complaint);
    else log.note(`${result.step.name}: ${result.milliseconds} ms${result.note ? `, ${result.note}` : ''}`);
  };
  const perform = (step: BootStep) => performStep(context, step);
  const opening = await executePlan(planOpening(facts), perform, { clock, onResult });
  const leaveTrace = (results: readonly StepResult[], done: boolean): void => {
    const trouble = keepTrace(host, facts, results, done);
    if (trouble !== undefined) log.complain(`no trace of this start can be kept: ${trouble}`);
  };
  leaveTrace(opening, false);
  // Where the layout step could not even read, the built-in layout still makes the root usable.
  const layout =
    context.layout ?? resolveLayout({ layout: undefined, extra: undefined, custom: undefined }, facts).layout;
  const rest = await executePlan(planAssembly(facts, layout), perform, { clock, earlier: opening, onResult });
  const results = [...opening, ...rest];
  leaveTrace(results, true);
  const report = bootReport(context, results, { milliseconds: clock.now() - started, uptime });
  try {
    writeReport(host.files, report, results);
  } catch (error) {
    log.complain(`cannot write ${paths.bootReport}: ${reasonOf(error)}`);
  }
  const bad = results.filter(({ status }) => status !== 'ok').length;
  const summary = `${report.outcome} in ${report.milliseconds} ms, ${results.length} steps${bad > 0 ? `, ${bad} not as planned` : ''}`;
  if (report.outcome === 'ok') log.note(summary);
  else log.complain(summary);
  return report;
}

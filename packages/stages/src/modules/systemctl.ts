import type { ModuleContext, StageModule } from '../context.ts';
import type { Field } from '../field.ts';
import { disableUnit, enableUnit, maskUnit } from '../unit-links.ts';

const verbs = ['enable', 'disable', 'mask', 'start'] as const;
type Verb = (typeof verbs)[number];

interface Unit {
  readonly name: string;
  readonly field: Field;
}

/** `a` is `a.service`. */
function unitName(item: Field, context: ModuleContext): string {
  const text = (context.render(item) ?? '').trim();
  if (!/^[A-Za-z0-9:_.\\@-]+$/.test(text) || text.startsWith('-')) {
    throw item.invalid('UNIT_INVALID', `${JSON.stringify(text)} cannot be the name of a unit`);
  }
  return /\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)$/.test(text)
    ? text
    : `${text}.service`;
}

const offline = { SYSTEMD_OFFLINE: '1' };

/** Whether systemd is the running service manager, so that it has to be told of changes. */
function isRunning(context: ModuleContext): boolean {
  return context.host.files.status('/run/systemd/system')?.kind === 'directory';
}

/**
 * All units by one process; if that fails each by one of its own, so that one unknown unit keeps no other away and
 * the error is told at its place.
 */
async function callSystemctl(
  verb: Verb,
  units: readonly Unit[],
  running: boolean,
  context: ModuleContext,
): Promise<void> {
  const call = (names: readonly string[]) =>
    context.host.run(['systemctl', verb, ...names], running ? {} : { env: offline });
  if (units.length > 1) {
    try {
      await call(units.map(({ name }) => name));
      return;
    } catch {
      context.log(`systemctl ${verb} failed for all units together; each is tried alone`);
    }
  }
  for (const { name, field } of units) {
    await context.attempt(field, async () => {
      await call([name]);
    });
  }
}

async function carryOut(verb: Verb, units: readonly Unit[], context: ModuleContext): Promise<void> {
  const { files } = context.host;
  const running = isRunning(context);
  if (verb === 'start' && !running) {
    for (const { name, field } of units) {
      context.report({
        severity: 'error',
        code: 'SYSTEMD_NOT_RUNNING',
        message: `${name} cannot be started: systemd does not run yet`,
        position: field.position,
        hint: 'Start it in the stage boot or later, or enable it',
      });
    }
    return;
  }
  // Before systemd runs, a mask is a link and nothing else; a process for it would cost more than it does.
  const byLinks = !running && (verb === 'mask' || context.host.which('systemctl') === undefined);
  if (!byLinks) return callSystemctl(verb, units, running, context);
  for (const { name, field } of units) {
    await context.attempt(field, () => {
      if (verb === 'mask') maskUnit(files, name);
      else if (verb === 'enable') enableUnit(files, name, field);
      else disableUnit(files, name);
    });
  }
}

async function writeOverride(item: Field, context: ModuleContext): Promise<boolean> {
  return context.attempt(item, () => {
    item.checkKeys(['service', 'name', 'content'], context.report);
    const service = unitName(item.key('service'), context);
    const given = item.key('name').text() || 'override-yip.conf';
    const name = given.endsWith('.conf') ? given : `${given}.conf`;
    if (/[/\0]/.test(name))
      throw item.key('name').invalid('NAME_INVALID', `${JSON.stringify(name)} is not a file name`);
    const content = context.render(item.key('content')) ?? '';
    context.host.files.write(
      `/etc/systemd/system/${service}.d/${name}`,
      content === '' || content.endsWith('\n') ? content : `${content}\n`,
    );
  });
}

/** Drop-ins first, so that what is started has them; then enable, disable, mask, start. */
export const systemctl: StageModule = async (field, context) => {
  field.checkKeys([...verbs, 'overrides'], context.report);
  let written = false;
  for (const item of field.key('overrides').items()) {
    if (!item.empty) written = (await writeOverride(item, context)) || written;
  }
  if (written && isRunning(context)) {
    await context.attempt(field.key('overrides'), async () => {
      await context.host.run(['systemctl', 'daemon-reload']);
    });
  }
  for (const verb of verbs) {
    const units: Unit[] = [];
    for (const item of field.key(verb).items()) {
      if (item.empty) continue;
      await context.attempt(item, () => {
        units.push({ name: unitName(item, context), field: item });
      });
    }
    if (units.length > 0) await carryOut(verb, units, context);
  }
};

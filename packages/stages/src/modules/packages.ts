import { KairosError } from '@kairos/facts/errors';
import type { ModuleContext, StageModule } from '../context.ts';
import type { Field } from '../field.ts';
import { isPackageName, type PackageTool, packageCommands, packageToolOf } from '../package-manager.ts';

/** @throws KairosError `PACKAGE_TOOL_UNKNOWN` */
function toolOf(field: Field, context: ModuleContext): PackageTool {
  const tool = packageToolOf(context.facts.osRelease);
  if (tool === undefined) {
    throw new KairosError(
      'PACKAGE_TOOL_UNKNOWN',
      `no package tool is known for ${context.facts.osRelease.ID ?? 'this operating system'}`,
      { position: field.position },
    );
  }
  return tool;
}

function names(field: Field, context: ModuleContext): string[] {
  return field.items().flatMap((item) => {
    const words = (context.render(item) ?? '').trim().split(/\s+/).filter(Boolean);
    const wrong = words.find((word) => !isPackageName(word));
    if (wrong !== undefined)
      throw item.invalid('PACKAGE_INVALID', `${JSON.stringify(wrong)} cannot be a package`);
    return words;
  });
}

/** Refreshes, upgrades, installs and removes packages, in this order. */
export const packages: StageModule = async (field, context) => {
  field.checkKeys(['install', 'remove', 'refresh', 'upgrade'], context.report);
  const install = names(field.key('install'), context);
  const remove = names(field.key('remove'), context);
  const refresh = field.key('refresh').flag() ?? false;
  const upgrade = field.key('upgrade').flag() ?? false;
  if (install.length + remove.length === 0 && !refresh && !upgrade) return;
  const commands = packageCommands[toolOf(field, context)];
  const run = (argv: readonly [string, ...string[]], place: Field) =>
    context.attempt(place, async () => {
      await context.host.run(argv, { env: commands.env, onLine: (line) => context.log(line) });
    });
  if (refresh) await run(commands.refresh, field.key('refresh'));
  if (upgrade) await run(commands.upgrade, field.key('upgrade'));
  if (install.length > 0) await run(commands.install(install), field.key('install'));
  if (remove.length > 0) await run(commands.remove(remove), field.key('remove'));
};

const aptPreferences = '/etc/apt/preferences.d/99-yip-pins';
const apkWorld = '/etc/apk/world';

/** The world file of apk with versions pinned. */
export function worldWith(text: string, pins: ReadonlyMap<string, string>): string {
  const lines = text.split('\n').filter((line) => line !== '' && !pins.has(line.split(/[=<>~@]/)[0] ?? ''));
  for (const [name, version] of pins) lines.push(`${name}=${version}`);
  return `${lines.sort().join('\n')}\n`;
}

/** Holds packages at versions, by the means of each tool. */
export const packagePins: StageModule = async (field, context) => {
  const { host } = context;
  const pins = new Map<string, string>();
  for (const [name, item] of field.entries()) {
    const version = (context.render(item) ?? '').trim();
    if (!isPackageName(name) || !isPackageName(version.replace(/\*$/, ''))) {
      throw item.invalid(
        'PACKAGE_INVALID',
        `${JSON.stringify(`${name}=${version}`)} cannot be a package with a version`,
      );
    }
    pins.set(name, version);
  }
  if (pins.size === 0) return;
  const tool = toolOf(field, context);
  switch (tool) {
    case 'apt':
      host.files.write(
        aptPreferences,
        [...pins]
          .map(([name, version]) => `Package: ${name}\nPin: version ${version}\nPin-Priority: 1001\n`)
          .join('\n'),
      );
      return;
    case 'apk':
      host.files.write(apkWorld, worldWith(host.files.readTextIfAny(apkWorld) ?? '', pins));
      return;
    case 'dnf':
      await host.run([
        'dnf',
        '--assumeyes',
        'versionlock',
        'add',
        ...[...pins].map(([name, version]) => `${name}-${version}`),
      ]);
      return;
    case 'zypper':
      await host.run([
        'zypper',
        '--non-interactive',
        'addlock',
        ...[...pins].map(([name, version]) => `${name}=${version}`),
      ]);
      return;
    case 'pacman':
      context.report({
        severity: 'warning',
        code: 'PINS_UNSUPPORTED',
        message: 'pacman cannot hold packages at versions; package_pins does nothing here',
        position: field.position,
      });
  }
};

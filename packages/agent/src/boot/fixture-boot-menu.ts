import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  formatGrubEnvironment,
  type GrubVariables,
  parseGrubEnvironment,
} from '@kairos/host/grub-environment';

/**
 * Runs the menu of a disk without GRUB, for tests: its language is that of a shell but for a few commands, which are
 * functions here. What GRUB itself does with the menu is what VM tests show.
 */
const commands = `
insmod() { :; }; serial() { return 1; }; terminal_input() { :; }; terminal_output() { :; }
search() {
  local label=$3
  [ -d "$DISK/$label" ] && declare -g "\${4#--set=}=$DISK/$label"
}
load_env() {
  while IFS= read -r line; do case $line in '#'*) ;; *=*) declare -g "$line" ;; esac; done <"$2"
}
save_env() {
  local file=$2 name; shift 2
  {
    echo '# GRUB Environment Block'
    grep -v '^#' "$file" | while IFS= read -r line; do
      case " $* " in *" \${line%%=*} "*) ;; *) echo "$line" ;; esac
    done
    for name; do [ -z "\${!name+x}" ] || echo "$name=\${!name}"; done
  } >"$file.new"
  mv "$file.new" "$file"
}
linux() { KERNEL= ; grep -q damaged "$1" && return 1; shift; KERNEL=$*; }
initrd() { grep -q damaged "$1" && { KERNEL=; return 1; }; return 0; }
root=$DISK/$MENU_ON
`;

/** GRUB's default, and then its fallbacks, until a kernel is there. */
const start = `
names=(cos fallback recovery statereset)
number() { case $1 in cos) echo 0 ;; fallback) echo 1 ;; recovery) echo 2 ;; statereset) echo 3 ;; *) echo "$1" ;; esac; }
for entry in $(number "$default") $fallback; do
  KERNEL=
  entry_\${names[$entry]}
  if [ -n "$KERNEL" ]; then echo "START \${names[$entry]} $KERNEL"; break; fi
done
echo "FALLBACK $fallback"
`;

function asShell(menu: string): string {
  return menu
    .replace(/\(\$(\w+)\)/g, '$$$1')
    .replace(/^(\s*)set (\w[\w$]*=)/gm, '$1declare -g $2')
    .replace(/^menuentry .* --id (\w+) \{$/gm, 'entry_$1() {')
    .replace(/^function (\w+) \{$/gm, '$1() {');
}

export interface MenuStart {
  /** The entry that started; `undefined` where none did. */
  readonly entry: string | undefined;
  /** Kernel arguments. */
  readonly cmdline: string;
  /** What GRUB would go on with, as entries. */
  readonly fallbacks: readonly string[];
}

export type BlockName =
  | 'COS_OEM/grubenv'
  | 'COS_STATE/grub_oem_env'
  | 'COS_STATE/boot_assessment'
  | 'COS_RECOVERY/boot_assessment';

/** A disk in a folder whose menu can be started again and again. */
export interface MenuDisk {
  set(block: BlockName, variables: GrubVariables): void;
  read(block: BlockName): Record<string, string>;
  /** Makes a file of a slot one that GRUB cannot load. */
  damage(slot: 'active' | 'passive' | 'recovery', file: 'vmlinuz' | 'initrd'): void;
  /** Loses the file system of `COS_STATE`: the menu is that of `COS_RECOVERY` from now on. */
  loseState(): void;
  start(): MenuStart;
}

const slotPlaces = {
  active: 'COS_STATE/cOS/active',
  passive: 'COS_STATE/cOS/passive',
  recovery: 'COS_RECOVERY/cOS/recovery',
} as const;

/** @param menu text of `grub.cfg` */
export function menuDisk(folder: string, menu: string): MenuDisk {
  const set = (block: BlockName, variables: GrubVariables) =>
    writeFileSync(join(folder, block), formatGrubEnvironment(variables, block));
  for (const place of Object.values(slotPlaces)) {
    mkdirSync(join(folder, place), { recursive: true });
    for (const file of ['vmlinuz', 'initrd']) writeFileSync(join(folder, place, file), 'whole');
    writeFileSync(join(folder, place, 'boot.cfg'), 'kairos_cmdline="quiet"\n');
  }
  mkdirSync(join(folder, 'COS_OEM'));
  for (const block of ['COS_OEM/grubenv', 'COS_STATE/grub_oem_env', 'COS_STATE/boot_assessment'] as const) {
    set(block, {});
  }
  const script = join(folder, 'menu.sh');
  writeFileSync(script, `${commands}${asShell(menu)}${start}`);
  return {
    set,
    read: (block) => parseGrubEnvironment(readFileSync(join(folder, block)), block),
    damage: (slot, file) => writeFileSync(join(folder, slotPlaces[slot], file), 'damaged'),
    loseState: () => rmSync(join(folder, 'COS_STATE'), { recursive: true }),
    start() {
      const menuOn = existsSync(join(folder, 'COS_STATE')) ? 'COS_STATE' : 'COS_RECOVERY';
      const { stdout, stderr, exitCode } = Bun.spawnSync(['bash', script], {
        env: { PATH: process.env.PATH ?? '', DISK: folder, MENU_ON: menuOn },
      });
      if (exitCode !== 0 || stderr.length > 0) throw new Error(`the menu fails: ${stderr.toString()}`);
      const output = stdout.toString();
      const [, entry, cmdline = ''] = /^START (\w+) (.*)$/m.exec(output) ?? [];
      const names = ['cos', 'fallback', 'recovery', 'statereset'];
      const fallbacks = /^FALLBACK (.*)$/m.exec(output)?.[1]?.split(' ').filter(Boolean) ?? [];
      return { entry, cmdline, fallbacks: fallbacks.map((number) => names[Number(number)] ?? number) };
    },
  };
}

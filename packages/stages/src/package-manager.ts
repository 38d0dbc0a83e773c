/** What the package tools of distributions are told; pure, so that it is a table. */
export type PackageTool = 'apt' | 'dnf' | 'zypper' | 'apk' | 'pacman';

type Argv = readonly [string, ...string[]];

interface PackageCommands {
  readonly refresh: Argv;
  readonly upgrade: Argv;
  readonly install: (names: readonly string[]) => Argv;
  readonly remove: (names: readonly string[]) => Argv;
  readonly env: Readonly<Record<string, string>>;
}

export const packageCommands: Readonly<Record<PackageTool, PackageCommands>> = {
  apt: {
    refresh: ['apt-get', 'update'],
    upgrade: ['apt-get', '--yes', 'upgrade'],
    install: (names) => ['apt-get', '--yes', '--no-install-recommends', 'install', '--', ...names],
    remove: (names) => ['apt-get', '--yes', 'remove', '--', ...names],
    env: { DEBIAN_FRONTEND: 'noninteractive' },
  },
  dnf: {
    refresh: ['dnf', 'makecache'],
    upgrade: ['dnf', '--assumeyes', 'upgrade'],
    install: (names) => ['dnf', '--assumeyes', 'install', ...names],
    remove: (names) => ['dnf', '--assumeyes', 'remove', ...names],
    env: {},
  },
  zypper: {
    refresh: ['zypper', '--non-interactive', 'refresh'],
    upgrade: ['zypper', '--non-interactive', 'update'],
    install: (names) => ['zypper', '--non-interactive', 'install', '--', ...names],
    remove: (names) => ['zypper', '--non-interactive', 'remove', '--', ...names],
    env: {},
  },
  apk: {
    refresh: ['apk', 'update'],
    upgrade: ['apk', 'upgrade'],
    install: (names) => ['apk', 'add', ...names],
    remove: (names) => ['apk', 'del', ...names],
    env: {},
  },
  pacman: {
    refresh: ['pacman', '--noconfirm', '-Sy'],
    upgrade: ['pacman', '--noconfirm', '-Su'],
    install: (names) => ['pacman', '--noconfirm', '--needed', '-S', ...names],
    remove: (names) => ['pacman', '--noconfirm', '-R', ...names],
    env: {},
  },
};

const families: Readonly<Record<PackageTool, readonly string[]>> = {
  apt: ['debian', 'ubuntu', 'raspbian', 'linuxmint', 'pop'],
  dnf: ['fedora', 'rhel', 'centos', 'rocky', 'almalinux', 'ol', 'amzn'],
  zypper: ['suse', 'opensuse', 'opensuse-leap', 'opensuse-tumbleweed', 'sles', 'sle-micro', 'sl-micro'],
  apk: ['alpine'],
  pacman: ['arch', 'manjaro', 'endeavouros'],
};

/** The tool of a distribution, by `ID` and then `ID_LIKE` of os-release(5). */
export function packageToolOf(osRelease: Readonly<Record<string, string>>): PackageTool | undefined {
  const ids = [osRelease.ID ?? '', ...(osRelease.ID_LIKE ?? '').split(/\s+/)].map((id) => id.toLowerCase());
  for (const id of ids) {
    for (const tool of Object.keys(families) as PackageTool[]) if (families[tool].includes(id)) return tool;
  }
  return undefined;
}

/** A package, perhaps with a version, that no tool takes for an option. */
export function isPackageName(text: string): boolean {
  return /^[A-Za-z0-9@./_][^\s\0;|&$`<>'"]*$/.test(text);
}

import type { Architecture } from '@kairos/facts/architecture';
import type { ExtensionKind } from '@kairos/facts/extensions';

type Release = Readonly<Record<string, string | undefined>>;

/** Architectures as systemd names them (`ConditionArchitecture=`), by our names. */
const architectureNames: Readonly<Record<Architecture, string>> = {
  amd64: 'x86-64',
  arm64: 'arm64',
  riscv64: 'riscv64',
};

/** Where an extension says what it fits, without its name. */
export const releaseDirectories: Readonly<Record<ExtensionKind, string>> = {
  sysext: '/usr/lib/extension-release.d',
  confext: '/etc/extension-release.d',
};

/**
 * Why an extension does not fit a host: the rules of systemd-sysext(8) and os-release(5), which systemd applies at each
 * boot and then says in the journal only.
 */
export function reasonNotToFit(
  extension: Release,
  host: Release,
  kind: ExtensionKind,
  architecture: Architecture,
): string | undefined {
  const scope = extension[kind === 'sysext' ? 'SYSEXT_SCOPE' : 'CONFEXT_SCOPE'];
  if (scope && !scope.split(/\s+/).includes('system')) return `it is for ${scope}, not for a system`;
  const wanted = extension.ARCHITECTURE;
  if (wanted && wanted !== '_any' && wanted !== architectureNames[architecture]) {
    return `it is for ${wanted}, this is ${architectureNames[architecture]}`;
  }
  const { ID: id } = extension;
  if (!id) return 'it does not say for which distribution it is (ID)';
  if (id === '_any') return undefined;
  if (id !== host.ID) return `it is for ${id}, this is ${host.ID ?? 'not known'}`;
  const levelKey = kind === 'sysext' ? 'SYSEXT_LEVEL' : 'CONFEXT_LEVEL';
  if (extension[levelKey] && host[levelKey]) {
    return extension[levelKey] === host[levelKey]
      ? undefined
      : `its ${levelKey} is ${extension[levelKey]}, that of this system is ${host[levelKey]}`;
  }
  // A rolling distribution has no version to compare.
  if (!host.VERSION_ID) return undefined;
  if (extension.VERSION_ID === host.VERSION_ID) return undefined;
  return extension.VERSION_ID
    ? `it is for ${id} ${extension.VERSION_ID}, this is ${host.VERSION_ID}`
    : `it does not say for which version of ${id} it is (VERSION_ID or ${levelKey})`;
}

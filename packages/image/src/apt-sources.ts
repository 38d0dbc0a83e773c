/** One archive that apt is set to. */
export interface AptSource {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
}

/** Reads the one-line form (sources.list(5)); only binary packages, options passed over. */
function parseLines(text: string): AptSource[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)((?:\s+[^#\s]+)*)/.exec(line);
    if (!match) return [];
    const [, uri = '', suite = '', components = ''] = match;
    return [{ uri, suite, components: components.trim().split(/\s+/).filter(Boolean) }];
  });
}

/** Reads the deb822 form. */
function parseParagraphs(text: string): AptSource[] {
  return text.split(/\n\s*\n/).flatMap((paragraph) => {
    const fields: Record<string, string[]> = {};
    let last = '';
    for (const line of paragraph.split('\n')) {
      if (line.startsWith('#')) continue;
      const field = /^([\w-]+):\s*(.*)$/.exec(line);
      if (field) {
        last = (field[1] ?? '').toLowerCase();
        fields[last] = (field[2] ?? '').split(/\s+/).filter(Boolean);
      } else if (/^\s+\S/.test(line)) fields[last]?.push(...line.trim().split(/\s+/));
    }
    if (!fields.types?.includes('deb') || fields.enabled?.[0] === 'no') return [];
    return (fields.uris ?? []).flatMap((uri) =>
      (fields.suites ?? []).map((suite) => ({ uri, suite, components: fields.components ?? [] })),
    );
  });
}

/** Reads a file of apt's sources by its name. */
export function parseAptSources(name: string, text: string): AptSource[] {
  return name.endsWith('.sources') ? parseParagraphs(text) : parseLines(text);
}

/** Suites without a security archive of their own. */
const rolling = ['sid', 'unstable', 'experimental', 'rc-buggy'];
/** The suite of a machine's Debian archive, such as `bookworm` or `stable`. */
const debianSuites = /^(bullseye|bookworm|trixie|forky|sid|oldstable|stable|testing|unstable)$/;

/**
 * Lines of sources for a Debian suite, from the archives that this machine takes its own Debian packages from: the
 * same hosts, another suite. Empty where the machine is set to no Debian archive (an Ubuntu machine): the bootstrap
 * program then knows Debian's own.
 */
export function debianSources(sources: readonly AptSource[], suite: string, mirror?: string): string[] {
  const archive =
    mirror ??
    sources.find((source) => debianSuites.test(source.suite) && source.components.includes('main'))?.uri;
  if (archive === undefined) return [];
  const lines = [`deb ${archive} ${suite} main`];
  if (rolling.includes(suite)) return lines;
  if (mirror !== undefined) return lines;
  const has = (suffix: string) =>
    sources.find(
      (source) => debianSuites.test(source.suite.replace(suffix, '')) && source.suite.endsWith(suffix),
    );
  const updates = has('-updates');
  if (updates !== undefined) lines.push(`deb ${updates.uri} ${suite}-updates main`);
  const security = has('-security');
  if (security !== undefined) lines.push(`deb ${security.uri} ${suite}-security main`);
  return lines;
}

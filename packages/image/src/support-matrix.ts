import { allFlavors } from './flavor.ts';

/** The rows of docs/support-matrix.md: one for each flavor and state. */
export function supportRows(): string[] {
  return allFlavors().flatMap((flavor) =>
    (['booted', 'planned'] as const).flatMap((state) => {
      const releases = flavor.releases.filter(({ status }) => status === state).map(({ version }) => version);
      if (releases.length === 0) return [];
      const cells = [
        flavor.title,
        releases.join(', '),
        flavor.packageManager,
        flavor.inits.join(', '),
        state === 'booted' ? 'booted' : 'planned, not booted',
      ];
      return [`| ${cells.join(' | ')} |`];
    }),
  );
}

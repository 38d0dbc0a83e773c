/**
 * Spellings that documentation and other tools have taught people, with the key that is meant. They work, and a
 * warning says the right one.
 */
const spellings: readonly (readonly [where: RegExp, wrong: string, right: string])[] = [
  [/^install$/, 'no_format', 'no-format'],
  [/^install$/, 'extra_partitions', 'extra-partitions'],
  [/^p2p\.vpn$/, 'vpn', 'create'],
  [/^(users\.\d+|stages\.[^.]*(\.[^.]*)?\.\d+\.users\.[^.]+)$/, 'lockPasswd', 'lock_passwd'],
  [/^(k3s|k3s-agent|k0s|k0s-worker)$/, 'enable', 'enabled'],
];

/** The right spelling of a key, where a wrong one is known to be in use. `where` is the path of the map, with dots. */
export function rightSpelling(where: string, key: string): string | undefined {
  return spellings.find(([place, wrong]) => wrong === key && place.test(where))?.[2];
}

import { expect, test } from 'bun:test';
import type { Base } from './base.ts';
import type { Definition } from './definition.ts';
import { provenanceOf } from './provenance.ts';

const layers = [{ diffId: 'sha256:1' }, { diffId: 'sha256:2' }];
const of = (base: Base, definition: Definition = {}, from = layers) =>
  provenanceOf({ definition }, base, from, 7);

test.each<[Base, string]>([
  [{ kind: 'debian', release: '13' }, 'debian:13'],
  [{ kind: 'dir', path: '/home/ada/root' }, 'dir'],
  [{ kind: 'tar', path: '/home/ada/root.tar' }, 'tar:root.tar'],
])('%p is %s: folders of the build machine do not show', (base, expected) => {
  expect(of(base).base).toBe(expected);
});

test('the inputs are what the definition and the layers are, wherever they lie', () => {
  const tar = (path: string): Base => ({ kind: 'tar', path });
  const { inputs, epoch } = of(tar('/a/root.tar'), { base: 'tar:/a/root.tar', version: '1' });
  expect(epoch).toBe(7);
  expect(of(tar('/b/root.tar'), { base: 'tar:/b/root.tar', version: '1' }).inputs).toBe(inputs);
  for (const other of [
    of(tar('/a/root.tar'), { version: '2' }),
    of(tar('/a/other.tar'), { version: '1' }),
    of(tar('/a/root.tar'), { version: '1' }, layers.slice(1)),
  ]) {
    expect(other.inputs).not.toBe(inputs);
  }
});

test('folders that flags or a definition name do not show, what the files are called does', () => {
  const tar: Base = { kind: 'tar', path: '/a/root.tar' };
  const inputs = (folder: string, name: string) =>
    of(tar, {
      components: ['nohang', `${folder}/mine`],
      files: [{ path: '/etc/site', source: `${folder}/${name}` }],
      cloudConfigs: [`${folder}/users.yaml`, { name: '90_site.yaml', content: '' }],
    }).inputs;
  expect(inputs('/home/ada', 'site')).toBe(inputs('/build/7', 'site'));
  expect(inputs('/home/ada', 'site')).not.toBe(inputs('/home/ada', 'other'));
});

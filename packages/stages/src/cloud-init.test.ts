import { expect, test } from 'bun:test';
import { parseDocument } from '@kairos/config/document';
import { stageFileOf } from './stage-file.ts';
import { testMachines, told } from './test-machine.ts';

const testMachine = testMachines();

/** Stages with the values of their steps. */
function translated(text: string): Record<string, Record<string, unknown>[]> {
  const { file } = stageFileOf(parseDocument(text, 'f'));
  return Object.fromEntries(
    [...file.stages].map(([stage, steps]) => [
      stage,
      steps.map(({ keys }) => Object.fromEntries([...keys].map(([key, field]) => [key, field.value]))),
    ]),
  );
}

test('keys of cloud-init become steps that come before those of the stages', () => {
  expect(
    translated(`#cloud-config
hostname: n
runcmd: [a, [b, "c d"]]
write_files: [{ path: /x }]
users:
- default
- name: kairos
  ssh_authorized_keys: [ssh-rsa x, "github:octo"]
- name: other
  ssh_authorized_keys:
ssh_authorized_keys: [ssh-rsa y]
growpart: { devices: [/dev/vda] }
stages:
  boot: [{ commands: [z] }]
`),
  ).toEqual({
    boot: [
      {
        commands: ['a', "'b' 'c d'"],
        users: [
          { name: 'kairos', ssh_authorized_keys: ['ssh-rsa x'] },
          { name: 'other', ssh_authorized_keys: null },
        ],
        authorized_keys: { kairos: ['ssh-rsa y'], other: ['ssh-rsa y'] },
        files: [{ path: '/x' }],
      },
      { layout: { device: { path: '/dev/vda' }, expand_partition: { size: 0 } } },
      { commands: ['z'] },
    ],
    network: [{ authorized_keys: { kairos: ['github:octo'] } }],
    initramfs: [{ hostname: 'n' }],
  });
});

test('without users the keys are those of root, and without a header nothing is translated', () => {
  expect(translated('#cloud-config\nssh_authorized_keys: [k]\n')).toEqual({
    boot: [{ authorized_keys: { root: ['k'] } }],
  });
  expect(translated('runcmd: [a]\n')).toEqual({});
});

test('what is misshapen is told and the rest goes on', async () => {
  const made = testMachine({ run: () => ({}) });
  const result = await made.run('#cloud-config\nusers: 5\nwrite_files: { path: /x }\nruncmd: [a]\n');
  expect(made.host.commands.map((argv) => argv.at(-1))).toEqual(['a']);
  expect(told(result)).toEqual(['TYPE_MISMATCH:3', 'TYPE_MISMATCH:2']);
});

test('files of users wait for them', async () => {
  const uid = process.getuid?.() ?? 0;
  const made = testMachine();
  made.put('/etc/passwd', 'root:x:0:0::/root:/bin/sh\n');
  made.put('/etc/group', 'root:x:0:\n');
  const made2 = translated(
    '#cloud-config\nusers: [{name: u}]\nwrite_files: [{path: /a, owner: "u:u"}, {path: /b, owner: root}, {path: /c, defer: true}]\n',
  );
  expect(made2.boot?.map((step) => step.files)).toEqual([
    [{ path: '/b', owner: 'root' }],
    [
      { path: '/a', owner: 'u:u' },
      { path: '/c', defer: true },
    ],
  ]);
  if (uid !== 0) return;
  const result = await made.run(
    '#cloud-config\nusers: [{name: u}]\nwrite_files: [{path: /a, owner: "u:u", content: x}]\n',
  );
  expect(result.problems).toEqual([]);
  expect(made.host.files.status('/a')?.uid).toBe(1000);
});

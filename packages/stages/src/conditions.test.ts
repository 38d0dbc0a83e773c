import { expect, test } from 'bun:test';
import { testMachines } from './test-machine.ts';

const testMachine = testMachines();

const facts = {
  osRelease: { ID: 'debian', PRETTY_NAME: 'Debian GNU/Linux 13 (trixie)', VERSION_ID: '13.1' },
  architecture: 'arm64',
  serviceManager: 'systemd',
  hostname: 'node-7',
} as const;

/** What becomes of a step with the conditions, on the machine of {@link facts}: its status and the reason. */
async function outcome(conditions: string) {
  const made = testMachine({ run: (argv) => ({ code: argv.at(-1)?.includes('works') ? 0 : 3 }) });
  made.put('/etc/there', '');
  const { steps, problems } = await made.step(`${conditions}\ncommands: [works]`, { facts });
  return [steps[0]?.status, steps[0]?.reason, problems.map(({ code }) => code)];
}

test.each([
  'only_os: Debian',
  'only_os: "^Debian.*trixie"',
  'only_os: "(?i)debian|ubuntu"',
  'only_os: "(?i:DEBIAN)"',
  'node: "^node-[[:digit:]]$"',
  'only_os_version: "^13"',
  'only_arch: arm64',
  'only_arch: "x86_64|aarch64"',
  'only_service_manager: systemd',
  'node: "^node-[0-9]+$"',
  'if_files: { all: [/etc/there], none: [/nowhere], any: [/nowhere, /etc/there] }',
  'if: "[ -e /etc/there ]"',
  'if: works',
  'only_os:\nif:\nnode: ""',
])('%j holds', async (conditions) => {
  expect(await outcome(conditions)).toEqual(['done', undefined, []]);
});

test.each([
  ['only_os: Alpine', 'the operating system "Debian GNU/Linux 13 (trixie)" does not match "Alpine"'],
  ['only_os_version: "^12"', 'the version "13.1" does not match "^12"'],
  ['only_arch: amd64', 'the architecture is arm64, not amd64'],
  ['only_service_manager: openrc', 'the service manager is systemd, not openrc'],
  ['node: "^node-8"', 'the host name "node-7" does not match "^node-8"'],
  ['if_files: { all: [/etc/there, /nowhere] }', '/nowhere is not there'],
  ['if_files: { any: [/nowhere, /never] }', 'none of /nowhere, /never is there'],
  ['if_files: { none: [/etc/there] }', '/etc/there is there'],
  ['if: "[ ! -e /etc/there ]"', 'not: [ ! -e /etc/there ]'],
  ['if: fails', 'not (exit code 3): fails'],
  ['only_os: Debian\nif: works\nnode: other', 'the host name "node-7" does not match "other"'],
])('%j does not hold', async (conditions, reason) => {
  expect(await outcome(conditions)).toEqual(['skipped', reason, []]);
});

test.each([
  ['only_os: "("', 'EXPRESSION_INVALID'],
  ['only_service_manager: upstart', 'SERVICE_MANAGER_UNKNOWN'],
  ['if_files: { every: [/a] }', 'CONDITION_UNKNOWN'],
  ['if: "{{ .Values.nothing | nofunc }}"', 'TEMPLATE_INVALID'],
])('%j cannot be told: an error, and the step is left out', async (conditions, code) => {
  const [status, reason, codes] = await outcome(conditions);
  expect([status, codes]).toEqual(['failed', [code]]);
  expect(reason).toBe('a condition cannot be told');
});

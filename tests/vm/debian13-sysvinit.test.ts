import { expect } from 'bun:test';
import { testUnattended } from '../src/unattended-scenario.ts';

testUnattended('Debian 13 with sysvinit installs itself from the ISO and runs immutable', {
  image: 'debian13-sysvinit',
  name: 'debian13-sysvinit',
  async isMeant(shell) {
    expect(await shell.ok('cat /proc/1/comm')).toBe('init');
  },
  powerOff: 'poweroff',
});

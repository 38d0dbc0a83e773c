import { startedBy, testUnattended } from '../src/unattended-scenario.ts';

testUnattended('Debian 13 installs itself from the ISO and runs immutable, on BIOS', {
  image: 'debian13',
  name: 'debian13-bios',
  firmware: 'bios',
  isMeant: startedBy('bios'),
  complete: true,
  powerOff: 'systemctl poweroff',
});

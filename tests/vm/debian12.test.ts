import { startedBy, testUnattended } from '../src/unattended-scenario.ts';

testUnattended('Debian 12 installs itself from the ISO and runs immutable, on BIOS', {
  image: 'debian12',
  name: 'debian12-bios',
  firmware: 'bios',
  isMeant: startedBy('bios'),
});

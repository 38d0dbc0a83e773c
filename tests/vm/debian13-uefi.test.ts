import { startedBy, testUnattended } from '../src/unattended-scenario.ts';

testUnattended('Debian 13 installs itself from the ISO and runs immutable, on UEFI with Secure Boot', {
  image: 'debian13',
  name: 'debian13-uefi',
  firmware: 'uefi-secure',
  isMeant: startedBy('uefi-secure'),
  restarts: 2,
});

import { expect, test } from 'bun:test';
import { bootStateOf } from './boot-state.ts';

test.each([
  ['root=LABEL=COS_ACTIVE cos-img/filename=/cOS/active/root.img', 'active'],
  ['root=LABEL=COS_PASSIVE upgrade_failure', 'passive'],
  ['root=LABEL=COS_SYSTEM', 'recovery'],
  ['root=LABEL=COS_SYSTEM kairos.reset', 'autoreset'],
  ['root=live:CDLABEL=COS_LIVE install-mode', 'livecd'],
  ['root=live:LABEL=COS_RECOVERY', 'recovery'],
  ['kairos.ram root=live:CDLABEL=COS_LIVE', 'active'],
  ['kairos.ramp root=live:CDLABEL=COS_LIVE', 'livecd'],
  ['quiet', 'unknown'],
] as const)('%s is %s', (cmdline, state) => {
  expect(bootStateOf(cmdline)).toBe(state);
});

import { expect, test } from 'bun:test';
import { urlWithoutSecrets } from './url.ts';

test.each([
  ['https://user:pass@h.org/x', 'https://********@h.org/x'],
  ['https://token@h.org/x', 'https://********@h.org/x'],
  ['https://h.org/x?a=1&access_token=abc&b=2#c', 'https://h.org/x?a=1&access_token=********&b=2#c'],
  ['https://h.org/x?sv=1&sig=a%2Fb', 'https://h.org/x?sv=1&sig=********'],
  ['https://h.org/a@b?signal=1', 'https://h.org/a@b?signal=1'],
  ['/oem/a@b.yaml', '/oem/a@b.yaml'],
])('%s', (url, shown) => {
  expect(urlWithoutSecrets(url)).toBe(shown);
});

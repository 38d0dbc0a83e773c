import { expect, test } from 'bun:test';
import { isPasswordHash, sha512Crypt, sha512CryptMatches } from './sha512-crypt.ts';

// Test vectors of the specification; the C library and OpenSSL give the same.
test.each([
  [
    '$6$saltstring',
    'Hello world!',
    '$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1',
  ],
  [
    '$6$rounds=10000$saltstringsaltstring',
    'Hello world!',
    '$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.',
  ],
  [
    '$6$rounds=5000$toolongsaltstring',
    'This is just a test',
    '$6$rounds=5000$toolongsaltstrin$lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl8audkUEm0',
  ],
  [
    '$6$rounds=10$roundstoolow',
    'the minimum number is still observed',
    '$6$rounds=1000$roundstoolow$kUMsbe306n21p9R.FRkW3IGn.S9NPN0x50YhH1xhLsPuWGsUSklZt58jaTfF4ZEQpyUNGc0dqbpBYYBaHHrsX.',
  ],
])('%s', (setting, password, hash) => {
  expect(sha512Crypt(password, setting)).toBe(hash);
  expect(sha512CryptMatches(password, hash)).toBe(true);
  expect(sha512CryptMatches(`${password}x`, hash)).toBe(false);
});

test('each hash has its own salt', () => {
  expect(sha512Crypt('a')).toMatch(/^\$6\$[./0-9A-Za-z]{16}\$[./0-9A-Za-z]{86}$/);
  expect(sha512Crypt('a')).not.toBe(sha512Crypt('a'));
});

test.each([
  ['$6$salt$hash', true],
  ['$y$j9T$salt$hash', true],
  ['$2b$10$abcdefghijklmnopqrstuv', true],
  ['!$6$salt$hash', true],
  ['kairos', false],
  ['$ecret', false],
  ['$6$with space', false],
  ['', false],
])('hash %s: %p', (text, is) => {
  expect(isPasswordHash(text)).toBe(is);
});

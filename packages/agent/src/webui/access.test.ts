import { expect, test } from 'bun:test';
import { Access } from './access.ts';

function scene() {
  const codes: [string, string][] = [];
  let clock = 0;
  let seed = 0;
  const access = new Access({
    onCode: (code, why) => codes.push([code, why]),
    now: () => clock,
    random: (bytes) => Uint8Array.from({ length: bytes }, () => seed++ % 256),
  });
  return {
    access,
    codes,
    code: () => codes.at(-1)?.[0] ?? '',
    pass: (seconds: number) => {
      clock += seconds * 1000;
    },
  };
}

test('a code opens one session and is replaced', () => {
  const { access, codes, code } = scene();
  const first = code();
  expect(first).toBe('0123-4567');
  const attempt = access.attempt(first);
  expect(attempt.result).toBe('open');
  const token = attempt.result === 'open' ? attempt.token : '';
  expect(Buffer.from(token, 'base64url').length).toBe(32);
  expect(access.isOpen(token)).toBe(true);
  expect(access.isOpen(`${token}x`)).toBe(false);
  expect(access.isOpen(undefined)).toBe(false);
  expect(codes.map(([, why]) => why)).toEqual(['first', 'used']);
  expect(access.attempt(first)).toEqual({ result: 'wrong' });
  access.close(token);
  expect(access.isOpen(token)).toBe(false);
});

test.each(['01234567', '0123-4567', ' o123 4567 ', 'OI23-4567', '0l234567'])(
  '%p is read as the code 0123-4567',
  (given) => {
    expect(scene().access.attempt(given).result).toBe('open');
  },
);

test('five wrong tries make a new code, and tries have to wait', () => {
  const { access, codes, code, pass } = scene();
  const first = code();
  for (let count = 0; count < 5; count++) expect(access.attempt('ZZZZ-ZZZZ')).toEqual({ result: 'wrong' });
  expect(codes.map(([, why]) => why)).toEqual(['first', 'guessed']);
  expect(access.attempt(code())).toEqual({ result: 'wait', seconds: 3 });
  pass(2);
  expect(access.attempt(code())).toEqual({ result: 'wait', seconds: 1 });
  pass(1);
  expect(access.attempt(first)).toEqual({ result: 'wrong' });
  expect(access.attempt(code())).toEqual({ result: 'wait', seconds: 3 });
  pass(3);
  expect(access.attempt(code()).result).toBe('open');
});

test('waiting earns no more than the first tries', () => {
  const { access, pass } = scene();
  pass(3600);
  const results = Array.from({ length: 7 }, () => access.attempt('x').result);
  expect(results).toEqual(['wrong', 'wrong', 'wrong', 'wrong', 'wrong', 'wait', 'wait']);
});

test('a session ends after half a day without a request, and the ninth one ends the oldest', () => {
  const { access, code, pass } = scene();
  const open = () => {
    const attempt = access.attempt(code());
    return attempt.result === 'open' ? attempt.token : '';
  };
  const idle = open();
  pass(11 * 3600);
  expect(access.isOpen(idle)).toBe(true);
  pass(12 * 3600 + 1);
  expect(access.isOpen(idle)).toBe(false);
  const tokens = Array.from({ length: 9 }, open);
  expect(tokens.map((token) => access.isOpen(token))).toEqual([false, ...Array(8).fill(true)]);
});

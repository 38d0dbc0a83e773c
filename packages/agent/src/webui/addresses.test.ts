import { expect, test } from 'bun:test';
import { parseListenAddress, reachableUrls } from './addresses.ts';

test.each([
  ['8080', { host: '', port: 8080 }],
  [':8080', { host: '', port: 8080 }],
  ['10.0.0.5:80', { host: '10.0.0.5', port: 80 }],
  ['[::1]:443', { host: '::1', port: 443 }],
  ['node-1:0', { host: 'node-1', port: 0 }],
])('%s is an address', (text, address) => {
  expect(parseListenAddress(text)).toEqual(address);
});

test.each(['', 'x', '1:2:3', ':70000', '[::1]', 'a b:1', 'http://x:1'])('%p is none', (text) => {
  expect(() => parseListenAddress(text)).toThrow(`${text} is not an address to listen on`);
});

test('IPv4 comes first; the machine itself and its links are left out', () => {
  const one = (address: string, internal = false) => ({ address, internal, family: 'x' });
  const interfaces = {
    lo: [one('127.0.0.1', true), one('::1', true)],
    eth0: [one('fe80::1'), one('fd00::5'), one('192.168.1.5')],
    eth1: [one('169.254.7.7')],
    gone: undefined,
  };
  const urls = (host: string) => reachableUrls('https', { host, port: 8080 }, interfaces);
  expect(urls('')).toEqual(['https://192.168.1.5:8080', 'https://[fd00::5]:8080']);
  expect(urls('0.0.0.0')).toEqual(urls(''));
  expect(urls('127.0.0.1')).toEqual(['https://127.0.0.1:8080']);
});

import { expect, test } from 'bun:test';
import { type RequestOrigin, refusalOf } from './guard.ts';

const right: RequestOrigin = {
  ...{ method: 'POST', host: '10.0.0.5:8080', origin: 'https://10.0.0.5:8080' },
  ...{ fetchSite: 'same-origin', contentType: 'application/json' },
};
const refused = (change: Partial<RequestOrigin>) =>
  refusalOf({ ...right, ...change }, 'https', ['Node-1'])?.code;

test.each<[string, Partial<RequestOrigin>]>([
  ['the page itself', {}],
  ['a program without Sec-Fetch-Site', { fetchSite: undefined }],
  ['a charset', { contentType: 'application/json; charset=utf-8' }],
  ['the name of the machine', { host: 'node-1:8080', origin: 'https://node-1:8080' }],
  ['its name on the link', { host: 'node-1.local', origin: 'https://node-1.local' }],
  ['an IPv6 address', { host: '[fd00::1]:8080', origin: 'https://[fd00::1]:8080' }],
  ['localhost', { host: 'localhost:1', origin: 'https://localhost:1' }],
  ['deleting without a body', { method: 'DELETE', contentType: undefined }],
  ['looking from elsewhere', { method: 'GET', origin: 'https://evil.example', fetchSite: 'cross-site' }],
])('%s is let in', (_, change) => {
  expect(refused(change)).toBeUndefined();
});

test.each<[string, Partial<RequestOrigin>, string]>([
  ['no Host', { host: undefined }, 'HOST_INVALID'],
  ['a Host that is none', { host: 'a b' }, 'HOST_INVALID'],
  ['a Host with a path', { host: '10.0.0.5/@evil' }, 'HOST_INVALID'],
  [
    'a name that is bound anew',
    { host: 'evil.example:8080', origin: 'https://evil.example:8080' },
    'HOST_UNKNOWN',
  ],
  ['a name that ends like ours', { host: 'evil-node-1', origin: 'https://evil-node-1' }, 'HOST_UNKNOWN'],
  ['a foreign name, even to look', { host: 'evil.example', method: 'GET' }, 'HOST_UNKNOWN'],
  ['a foreign page', { origin: 'https://evil.example' }, 'ORIGIN_FOREIGN'],
  ['another port', { origin: 'https://10.0.0.5:9090' }, 'ORIGIN_FOREIGN'],
  ['another scheme', { origin: 'http://10.0.0.5:8080' }, 'ORIGIN_FOREIGN'],
  ['no origin', { origin: undefined }, 'ORIGIN_FOREIGN'],
  ['an opaque origin', { origin: 'null' }, 'ORIGIN_FOREIGN'],
  ['another page of this site', { fetchSite: 'same-site' }, 'ORIGIN_FOREIGN'],
  ['deleting from a foreign page', { method: 'DELETE', origin: 'https://evil.example' }, 'ORIGIN_FOREIGN'],
  ['a form', { contentType: 'application/x-www-form-urlencoded' }, 'NOT_JSON'],
  ['plain text', { contentType: 'text/plain' }, 'NOT_JSON'],
  ['nothing that says what it is', { contentType: undefined }, 'NOT_JSON'],
])('%s is refused', (_, change, code) => {
  expect(refused(change)).toBe(code);
});

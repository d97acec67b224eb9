import { describe, expect, test } from 'vitest';
import { headerNames, isPublic, withoutHeaderValues } from './connect.js';

describe('a public host', () => {
  test.each([
    ['http://127.0.0.1:8000/v1', false],
    ['http://localhost:8000/v1', false],
    ['http://[::1]:8000/v1', false],
    ['http://10.1.2.3/v1', false],
    ['http://172.31.255.1/v1', false],
    ['http://192.168.0.7:11434', false],
    ['http://100.64.0.1', false],
    ['http://[fd00::7]/v1', false],
    ['http://172.32.0.1/v1', true],
    ['http://8.8.8.8/v1', true],
    ['http://[2001:4860:4860::8888]/v1', true],
  ])('%s: %s', async (url, expected) => {
    expect(await isPublic(url)).toBe(expected);
  });
});

test('values of headers are left out of the command', () => {
  const headers = ['Authorization: Bearer s3cret', 'X-Team=blue=green'];
  expect(headerNames(headers)).toEqual(['Authorization', 'X-Team']);
  const command = `tokenwork bench --header '${headers[0]}' --header ${headers[1]}`;
  expect(withoutHeaderValues(command, headers)).toBe(
    "tokenwork bench --header 'Authorization=…' --header X-Team=…",
  );
});

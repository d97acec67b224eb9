import { describe, expect, it } from 'vitest';
import { connectionError } from './connection-error.js';

const said = (thrown: unknown) => {
  const { code, message, hint } = connectionError(thrown, 'http://host/v1', (text) =>
    text.replace('key', '***'),
  );
  return `${code}: ${message} ${hint}`;
};
const systemError = (code: string) => Object.assign(new Error('system'), { code });

describe('a connection that fails', () => {
  it.each([
    ['of a name', systemError('ENOTFOUND'), /^endpoint-unreachable: .*host has no address \(ENOTFOUND\)/],
    ['by undici', systemError('UND_ERR_CONNECT_TIMEOUT'), /^endpoint-unreachable: .*not answer in time/],
    [
      'by a signal',
      new DOMException('late', 'TimeoutError'),
      /^endpoint-unreachable: .*in time \(TimeoutError\)/,
    ],
    [
      'of all addresses',
      new AggregateError([systemError('ECONNREFUSED')]),
      /^endpoint-unreachable: .*nothing listens/,
    ],
    [
      'beneath another',
      new Error('fetch', { cause: systemError('CERT_HAS_EXPIRED') }),
      /^endpoint-certificate: .*clock/,
    ],
    [
      'of another host',
      systemError('ERR_TLS_CERT_ALTNAME_INVALID'),
      /^endpoint-certificate: .*of another host/,
    ],
    ['by what is no HTTP', systemError('HPE_INVALID_CONSTANT'), /^endpoint-not-llm: .*https:/],
    ['in an unknown way', new Error('the key is odd'), /^endpoint-unreachable: .*the \*\*\* is odd/],
  ])('%s is explained', (_, thrown, expected) => {
    expect(said(thrown)).toMatch(expected);
  });
});

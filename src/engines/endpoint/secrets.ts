import { TokenworkError } from '../../core/errors.js';
import type { Address } from './address.js';
import type { EndpointOptions } from './endpoint.js';

/** Headers of every request, with the key. Throws TokenworkError `bad-option` for what no header can hold. */
export function headersOf(options: EndpointOptions, { credentials }: Address): Record<string, string> {
  const headers: Record<string, string> = { accept: '*/*', 'user-agent': 'tokenwork' };
  if (credentials) headers.authorization = `Basic ${Buffer.from(credentials).toString('base64')}`;
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name))
      throw unsendable('The name of a header', 'letters, digits and -');
    headers[name.toLowerCase()] = sendable(value, `The header ${name}`);
  }
  if (options.apiKey !== undefined)
    headers.authorization = `Bearer ${sendable(options.apiKey, 'The key of the API')}`;
  return headers;
}

/** A value without the line break that files and shells leave at its end. */
function sendable(value: string, what: string): string {
  const trimmed = value.trim();
  if (!/^[\t\x20-\x7e]+$/.test(trimmed))
    throw unsendable(what, 'at least one character, all of ASCII, no breaks');
  return trimmed;
}

const unsendable = (what: string, needed: string) =>
  new TokenworkError('bad-option', `${what} cannot be sent.`, `It takes ${needed}.`);

/** Shorter values would be found in any text, and protect nothing. */
const shortestSecret = 4;

/** Takes secrets out of text that others wrote, as servers repeat keys and headers in their complaints. */
export function redaction(
  options: EndpointOptions,
  { credentials, query }: Address,
): (text: string) => string {
  const values = [
    options.apiKey ?? '',
    ...Object.values(options.headers ?? {}),
    ...(credentials
      ? [credentials, ...credentials.split(':'), Buffer.from(credentials).toString('base64')]
      : []),
    ...new URLSearchParams(query).values(),
  ];
  const secrets = [...new Set(values.flatMap((value) => [value.trim(), ...value.trim().split(/[\s,;=]+/)]))]
    .filter(({ length }) => length >= shortestSecret)
    // The longest first, so that no part of it is left beside the mark of a shorter one.
    .sort((a, b) => b.length - a.length);
  return (text) => secrets.reduce((clean, secret) => clean.replaceAll(secret, '***'), text);
}

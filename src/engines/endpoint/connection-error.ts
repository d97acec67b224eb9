/** Says what is wrong with a connection, and what to do about it. */
import type { ErrorCode } from '../../core/codes.js';
import { messageOf, TokenworkError } from '../../core/errors.js';

const refused = 'Is the server running there? Start it, or correct host and port.';
const unresolved = 'Check the name of the host and the network.';
const slow = 'Check host and port; a firewall may drop the packets, or the server may be stuck.';
const stuck = 'it does not answer in time';
const perhapsPlain = 'If the server speaks no TLS, begin the address with http://.';
const noTls = 'The server speaks no TLS there: begin the address with http://.';
const perhapsTls = 'If the server speaks TLS, begin the address with https://.';
const untrusted = 'If it is the right server, give the certificate of its authority: --ca FILE (PEM).';

/** What happened, and what helps, by the codes of Node, OpenSSL and undici. */
const explanations: readonly [codes: RegExp, code: ErrorCode, what: string, hint: string][] = [
  [/^ECONNREFUSED$/, 'endpoint-unreachable', 'nothing listens there', refused],
  [/^(ENOTFOUND|EAI_AGAIN)$/, 'endpoint-unreachable', 'the host has no address', unresolved],
  [/TIMEOUT|ETIMEDOUT|TimeoutError/, 'endpoint-unreachable', stuck, slow],
  [
    /^(EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|EACCES)$/,
    'endpoint-unreachable',
    'no way leads there',
    unresolved,
  ],
  [/^(EPROTO|ERR_SSL_.*)$/, 'endpoint-certificate', 'TLS cannot be agreed on', noTls],
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    'endpoint-certificate',
    'its certificate is of another host',
    `Use the name in the certificate. ${untrusted}`,
  ],
  [
    /CERT_HAS_EXPIRED|CERT_NOT_YET_VALID/,
    'endpoint-certificate',
    'its certificate is not valid at this time',
    'Renew it on the server, and check the clock of this machine.',
  ],
  [
    /SELF_SIGNED|ISSUER_CERT|LEAF_SIGNATURE|^CERT_/,
    'endpoint-certificate',
    'its certificate is not trusted',
    untrusted,
  ],
  [
    /OSSL_PEM|ASN1|^ERR_OSSL/,
    'endpoint-certificate',
    'the file of --ca holds no certificate',
    'It takes certificates in PEM: -----BEGIN CERTIFICATE-----',
  ],
  [
    /^(ECONNRESET|EPIPE|UND_ERR_SOCKET|HPE_.*)$/,
    'endpoint-not-llm',
    'it does not answer in HTTP',
    perhapsTls,
  ],
];

/** The code of a system's error; of the first where several addresses were tried. */
function systemCode(thrown: unknown): string {
  if (!(thrown instanceof Error)) return '';
  const { code, cause, name } = thrown as Error & { code?: unknown };
  if (typeof code === 'string') return code;
  if (thrown instanceof AggregateError && thrown.errors.length > 0) return systemCode(thrown.errors[0]);
  return cause === undefined ? name : systemCode(cause);
}

/** The error that a user meets where a server at `shown` could not be asked. */
export function connectionError(
  thrown: unknown,
  shown: string,
  redact: (text: string) => string,
): TokenworkError {
  const code = systemCode(thrown);
  const known = explanations.find(([codes]) => codes.test(code));
  if (known === undefined) {
    const said = redact(messageOf(thrown)).slice(0, 200);
    return new TokenworkError(
      'endpoint-unreachable',
      `The endpoint ${shown} cannot be reached: ${said}.`,
      refused,
    );
  }
  const [, kind, what, said] = known;
  // llama-server waits for the rest of what it takes for a request.
  const hint = what === stuck && /^https:/.test(shown) ? `${said} ${perhapsPlain}` : said;
  return new TokenworkError(kind, `The endpoint ${shown} cannot be used: ${what} (${code}).`, hint);
}

/** The same in the words of an outcome. */
export function connectionWords(thrown: unknown): string {
  const code = systemCode(thrown);
  const known = explanations.find(([codes]) => codes.test(code));
  return known && known[1] !== 'endpoint-not-llm'
    ? `${known[2]} (${code})`
    : `the connection broke (${code})`;
}

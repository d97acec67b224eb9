/** Finds the API of a server by its list of models, and says what is wrong where there is none. */
import { TokenworkError } from '../../core/errors.js';
import { otherwise } from '../../core/log.js';
import { plainText } from '../../core/text.js';
import { likelyBases, withBase } from './address.js';
import { connectionError } from './connection-error.js';
import { servedModels } from './served-models.js';
import { type Asked, redirectTarget, type Transport } from './transport.js';

/** Aggregators list hundreds of models, with prose. */
const limits = { timeoutMs: 15_000, bytes: 8 * 2 ** 20 };

/** The answer to `models` at the address; null where the server has no such list, which no dialect may need. */
export async function findApi(transport: Transport): Promise<Asked | null> {
  const { address, redact } = transport;
  const asked = await transport.ask(transport.pathOf('models'), limits).catch((thrown) => {
    throw connectionError(thrown, address.shown, redact);
  });
  const isList = asked.status === 200 && servedModels(asked.body) !== null;
  if (isList && address.base !== '') return asked;
  refuse(asked, transport);
  // llama-server lists its models at its root too, but has another API of its own there.
  const elsewhere = await otherBase(transport);
  if (elsewhere !== null)
    throw new TokenworkError(
      'endpoint-wrong-path',
      `The API is not at ${address.shown}, but at ${withBase(address, elsewhere).shown}.`,
      `Use --endpoint ${withBase(address, elsewhere).shown}.`,
    );
  if (asked.status === 200 && !isList) throw notLlm(asked, transport);
  return isList ? asked : null;
}

/** Where the server has its API instead; null where it is not found. */
async function otherBase(transport: Transport): Promise<string | null> {
  const { address } = transport;
  for (const base of likelyBases(address)) {
    const path = `${base}/models${address.query}`;
    const asked = await transport.ask(path, limits).catch(otherwise(null, `probe ${path}`));
    if (asked === null) continue;
    if (isUnauthorised(asked) || (asked.status === 200 && servedModels(asked.body) !== null)) return base;
  }
  return null;
}

const isUnauthorised = ({ status }: Asked) => status === 401 || status === 403;

/** Throws for an answer that says by itself what is wrong. */
function refuse(asked: Asked, { address, headers, redact }: Transport): void {
  const { shown } = address;
  if (isUnauthorised(asked)) {
    const hasKey = headers.authorization !== undefined;
    throw new TokenworkError(
      'endpoint-unauthorised',
      `The endpoint ${shown} ${hasKey ? 'refuses the key it was sent' : 'wants a key'} (HTTP ${asked.status}).`,
      'Name the variable of the environment that holds the key: --api-key-env NAME.',
    );
  }
  const target = redirectTarget(asked, `${shown}/models`);
  if (target !== null) {
    const isSame = target.origin === address.origin;
    const to = redact(`${target.origin}${target.pathname}`).replace(/\/models\/?$/, '');
    throw new TokenworkError(
      'endpoint-redirected',
      `The endpoint ${shown} redirects ${isSame ? 'again and again' : `to ${redact(target.origin)}, where no key is sent`}.`,
      `If that is the right server, use --endpoint ${to}.`,
    );
  }
  if (asked.status >= 500)
    throw new TokenworkError(
      'endpoint-failed',
      `The endpoint ${shown} answers with HTTP ${asked.status}${saying(asked, redact)}.`,
      'Look at its log; it may still be loading the model.',
    );
}

function notLlm(asked: Asked, { address, redact }: Transport): TokenworkError {
  const html = typeof asked.body === 'string' && /^\s*<(!doctype|html|\?xml)/i.test(asked.body);
  const what = asked.cutShort
    ? `more than ${limits.bytes / 2 ** 20} MiB`
    : html
      ? `a page of HTML${/<title/i.test(asked.body as string) ? saying(asked, redact) : ''}, not JSON`
      : typeof asked.body === 'string'
        ? 'something that is no JSON'
        : 'JSON that is no list of models';
  return new TokenworkError(
    'endpoint-not-llm',
    `No server of models answers at ${address.shown}: its list of models is ${what}.`,
    'Give the address of an API in the form of OpenAI, which ends with /v1 as a rule.',
  );
}

/** The title of a page, or the message of an error, in brackets. */
function saying({ body }: Asked, redact: (text: string) => string): string {
  const words = serverWords(body, redact);
  return words === '' ? '' : ` ("${words}")`;
}

const longestWords = 300;

/** What a server says in an answer that is no success, on one line, without secrets. */
export function serverWords(body: unknown, redact: (text: string) => string): string {
  const words =
    typeof body === 'string' ? (/<title[^>]*>([^<]{0,300})/i.exec(body)?.[1] ?? body) : messageIn(body);
  const plain = plainText(redact(words)).trim();
  return plain.length > longestWords ? `${plain.slice(0, longestWords)}…` : plain;
}

/** The message in any of the forms that servers have; the first text that is found. */
function messageIn(body: unknown, depth = 0): string {
  if (typeof body === 'string') return body;
  if (typeof body !== 'object' || body === null || depth > 3) return '';
  const fields = Array.isArray(body) ? { ...body } : (body as Record<string, unknown>);
  for (const name of ['error', 'message', 'detail', 'msg', 'reason', '0']) {
    const words = Object.hasOwn(fields, name)
      ? messageIn((fields as Record<string, unknown>)[name], depth + 1)
      : '';
    if (words !== '') return words;
  }
  return '';
}

import { TokenworkError } from '../../core/errors.js';
import { otherwise } from '../../core/log.js';
import { plainStrings } from '../../core/text.js';
import type { ChatMessage } from '../../models/tokenizer.js';
import { parseAddress } from './address.js';
import { connectionWords } from './connection-error.js';
import { dialects } from './dialects/dialects.js';
import { withoutFolder } from './dialects/fields.js';
import type { Dialect, Endpoint, EndpointOptions, EndpointPrompt, ProbeAnswer } from './endpoint.js';
import { findApi, serverWords } from './find-api.js';
import { generator } from './generate.js';
import { chosenModel, servedModels } from './served-models.js';
import { openTransport, type Transport } from './transport.js';

/** What a probe may take: it only helps to recognise the server, and /metrics of a large fleet are long. */
const probeLimits = { timeoutMs: 5_000, bytes: 512 * 2 ** 10 };
/** A tokenizer answers at once, though perhaps behind requests. */
const tokenizerLimits = { timeoutMs: 60_000, bytes: 64 * 2 ** 20 };
const probeConnections = 4;

/**
 * Recognises the server at an address, and chooses model and API.
 *
 * Throws TokenworkError: `bad-endpoint-url`, `bad-option` (a key or header that cannot be sent), `endpoint-unreachable`,
 * `endpoint-certificate`, `endpoint-unauthorised`, `endpoint-redirected`, `endpoint-wrong-path`, `endpoint-not-llm`,
 * `endpoint-failed`, `model-not-served`, `served-model-unnamed`.
 */
export async function openEndpoint(options: EndpointOptions): Promise<Endpoint> {
  const address = parseAddress(options.url);
  // Apart, so that a probe that hangs holds up no request.
  const probing = openTransport(address, { ...options, connections: probeConnections });
  let answers: ReadonlyMap<string, ProbeAnswer>;
  try {
    answers = await probe(probing);
  } finally {
    await probing.close();
  }
  const models = servedModels(answers.get('/v1/models')?.body);
  const dialect = dialects.find(({ recognises }) => recognises(answers))!;
  if (models === null && dialect === dialects.at(-1))
    throw new TokenworkError(
      'endpoint-not-llm',
      `No server of models answers at ${address.shown}: it has no /models, and none of the paths that servers have.`,
      'Give the address of an API in the form of OpenAI, which ends with /v1 as a rule.',
    );
  const served = models ?? [];
  const model = chosenModel(served, options.model, address.shown);
  const api = options.api === 'auto' ? (dialect.takesIds ? 'completions' : 'chat') : options.api;
  const transport = openTransport(address, options);
  return {
    record: plainStrings({
      // A server that was started with a file serves it under its path, which is nobody's concern.
      ...{ url: address.shown, kind: dialect.kind, model: withoutFolder(model) },
      served: served.map(withoutFolder),
      ...dialect.describe(answers, model),
      onThisMachine: address.onThisMachine,
    }),
    api,
    takesIds: dialect.takesIds && api === 'completions',
    forcesLength: dialect.forcesLength,
    generate: generator({ transport, dialect, model, api, retries: options.retries, now: options.now }),
    tokenize: dialect.tokenizer && ((prompt) => tokenize(transport, dialect.tokenizer!, prompt, model)),
    close: () => transport.close(),
  };
}

/** Answers by path from the server's root; a probe that failed is left out. */
async function probe(transport: Transport): Promise<ReadonlyMap<string, ProbeAnswer>> {
  const models = await findApi(transport);
  const answers = new Map<string, ProbeAnswer>(models === null ? [] : [['/v1/models', models]]);
  const paths = new Set(dialects.flatMap(({ probes }) => probes));
  await Promise.all(
    [...paths].map(async (path) => {
      const answer = await transport
        .ask(transport.pathOf(path), probeLimits)
        .catch(otherwise(null, `probe ${path}`));
      if (answer !== null) answers.set(path, answer);
    }),
  );
  return answers;
}

async function tokenize(
  transport: Transport,
  tokenizer: NonNullable<Dialect['tokenizer']>,
  prompt: Exclude<EndpointPrompt, { kind: 'ids' }>,
  model: string,
): Promise<number[]> {
  const answer = await askTokenizer(
    transport,
    prompt.kind === 'text' ? tokenizer.text(prompt.text, model) : await templated(prompt.messages),
  );
  const ids = tokenizer.ids(answer);
  if (ids === null) throw failed(transport, 'gives no token ids for a text');
  return ids;

  /** What to ask for the ids of a conversation; its text comes from the server where that takes a step of its own. */
  async function templated(messages: readonly ChatMessage[]): Promise<TokenizerExchange> {
    if (tokenizer.messages === null) throw failed(transport, 'cannot apply its chat template');
    const { promptIn, ...exchange } = tokenizer.messages(messages, model);
    if (!promptIn) return exchange;
    const text = promptIn(await askTokenizer(transport, exchange));
    if (text === null) throw failed(transport, 'gives no prompt for a conversation');
    return tokenizer.text(text, model);
  }
}

type TokenizerExchange = ReturnType<NonNullable<Dialect['tokenizer']>['text']>;

async function askTokenizer(transport: Transport, { path, body }: TokenizerExchange): Promise<unknown> {
  const answer = await transport.ask(transport.pathOf(path), tokenizerLimits, body).catch((thrown) => {
    throw failed(transport, `did not answer: ${connectionWords(thrown)}`, thrown);
  });
  if (answer.status === 200 && !answer.cutShort) return answer.body;
  throw failed(
    transport,
    `answers with HTTP ${answer.status} ${serverWords(answer.body, transport.redact)}`.trim(),
  );
}

function failed({ address }: Transport, what: string, cause?: unknown): TokenworkError {
  return new TokenworkError(
    'endpoint-failed',
    `The tokenizer of the endpoint ${address.shown} ${what}.`,
    'Look at the log of the server.',
    { cause },
  );
}

import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { BlockList, isIP } from 'node:net';
import type { CostModel } from '../../core/cost.js';
import { messageOf, TokenworkError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import type { Nanoseconds } from '../../core/units.js';
import type { Endpoint, EndpointOptions } from '../../engines/endpoint/endpoint.js';
import { openEndpoint } from '../../engines/endpoint/open-endpoint.js';
import { describeModel } from '../../models/describe-model.js';
import type { Dtype } from '../../models/dtype.js';
import { type PromptMaker, promptMaker } from './prompts.js';

/** A server that answers, and the model on it as the run calls it. */
export interface ConnectedServer {
  /** The model's name in cells and the result: with the server's address where several serve one of that name. */
  id: string;
  endpoint: Endpoint;
}

/** A server that requests can be sent to. */
export interface Server extends ConnectedServer {
  prompts: PromptMaker;
}

/** What connecting takes, from the options of a run or the settings that one began with. */
export interface Connecting {
  urls: readonly string[];
  /** Names of served models, by server; one name is for all. */
  models: readonly string[];
  api: EndpointOptions['api'];
  apiKeyEnv: string | null;
  /** `NAME=VALUE`. */
  headers: readonly string[];
  /** PEM file. */
  ca: string | null;
  connections: number;
  retries: number;
  now(): Nanoseconds;
}

/**
 * Connects to every server, and sends none of them a text. Throws TokenworkError `bad-option`, `api-key-missing`, and
 * what opening an endpoint throws; servers that had been opened by then are closed.
 */
export async function connect(connecting: Connecting): Promise<ConnectedServer[]> {
  const { urls, models, headers, ca, apiKeyEnv, ...same } = connecting;
  const shared = {
    ...same,
    apiKey: apiKeyEnv === null ? undefined : keyOf(apiKeyEnv),
    headers: headersOf(headers),
    certificateAuthority: ca === null ? undefined : await certificates(ca),
  };
  if (models.length > 1 && models.length !== urls.length) {
    throw new TokenworkError(
      'bad-option',
      `${models.length} models are named for ${urls.length} endpoint${urls.length === 1 ? '' : 's'}.`,
      'Name one --model for all endpoints, or one for each in their order.',
    );
  }
  const endpoints: Endpoint[] = [];
  try {
    for (const [index, url] of urls.entries())
      endpoints.push(await openEndpoint({ ...shared, url, model: models[models.length > 1 ? index : 0] }));
  } catch (thrown) {
    await Promise.allSettled(endpoints.map((endpoint) => endpoint.close()));
    throw thrown;
  }
  const ids = idsOf(endpoints);
  return endpoints.map((endpoint, index) => ({ endpoint, id: ids[index]! }));
}

/** The servers with makers of prompts, which ask their tokenizers. Throws what making one throws. */
export async function withPrompts(connected: readonly ConnectedServer[]): Promise<Server[]> {
  const servers: Server[] = [];
  for (const server of connected) servers.push({ ...server, prompts: await promptMaker(server.endpoint) });
  return servers;
}

function idsOf(endpoints: readonly Endpoint[]): string[] {
  const names = endpoints.map(({ record }) => record.model);
  const ids = endpoints.map(({ record }, index) =>
    names.indexOf(names[index]!) === names.lastIndexOf(names[index]!)
      ? record.model
      : `${record.model}@${new URL(record.url).host}`,
  );
  // The same server twice, to see how far two equal sides differ.
  return ids.map((id, index) => (ids.indexOf(id) === index ? id : `${id}#${index + 1}`));
}

function keyOf(name: string): string {
  const key = process.env[name];
  if (key !== undefined && key.trim() !== '') return key.trim();
  throw new TokenworkError(
    'api-key-missing',
    `The environment variable ${name} holds no key.`,
    `Set it, without writing the key into the command: read -rs ${name}; export ${name}`,
  );
}

/** Names of headers that were given as `NAME=VALUE` or `NAME: VALUE`. */
export const headerNames = (headers: readonly string[]): string[] => Object.keys(headersOf(headers));

function headersOf(given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((header) => {
      const at = header.search(/[=:]/);
      return [header.slice(0, at).trim(), header.slice(at + 1).trim()];
    }),
  );
}

/** A command without the values of headers, which may be secrets. */
export function withoutHeaderValues(command: string, headers: readonly string[] = []): string {
  return headers.reduce((text, header) => {
    const at = header.search(/[=:]/);
    return text.replaceAll(header, `${header.slice(0, at)}=…`);
  }, command);
}

async function certificates(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new TokenworkError(
      'bad-option',
      `The certificates in ${path} cannot be read: ${messageOf(cause)}.`,
      'Name a PEM file with --ca FILE.',
      { cause },
    );
  }
}

const inside = new BlockList();
for (const [address, prefix, family] of [
  ['127.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['::1', 128, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
] as const) {
  inside.addSubnet(address, prefix, family);
}

/** Whether an address lies beyond this machine and private networks (RFC 1918, 4193, 6598), where tokens are billed. */
export async function isPublic(url: string): Promise<boolean> {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
  const addresses = isIP(host) > 0 ? [host] : await addressesOf(host);
  return addresses.some((address) => !inside.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4'));
}

async function addressesOf(host: string): Promise<string[]> {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    // A name that nothing resolves is refused when it is connected to.
    log('looking up %s: %s', host, error);
    return [];
  }
}

/** The type of weights and KV cache that most servers compute in. */
const servedDtype = 'fp16';

/** The cost of the shape that is named; null where none is. Throws what describing a model throws, and `not-a-decoder`. */
export async function costOfShape(
  shape: string | undefined,
  dtype: Dtype = servedDtype,
  signal: AbortSignal | undefined,
): Promise<CostModel | null> {
  if (shape === undefined) return null;
  const { decoder, cost } = await describeModel(shape, { dtype, signal, logits: 'last' });
  if (decoder !== null && cost !== null) return cost;
  throw new TokenworkError(
    'not-a-decoder',
    `${shape} is no decoder, so it cannot be the shape of a server's model.`,
    'Name a recipe (tokenwork models list), a config.json, a model folder or a GGUF file with --shape.',
  );
}

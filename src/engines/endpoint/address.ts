import { TokenworkError } from '../../core/errors.js';
import { isThisMachine } from '../../sensors/server/find-server.js';

/** The address of a server's API, taken apart. */
export interface Address {
  /** Scheme, host and port: the one place that keys are sent to. */
  origin: string;
  /** Path of the API, such as `/v1`, without a slash at its end. */
  base: string;
  /** The path that the server's own paths stand below: `base` without its `/v1`. */
  root: string;
  /** With `?` where there is one. */
  query: string;
  /** `user:password`, decoded. */
  credentials: string | null;
  /** As it may be recorded and told: without user, password and query. */
  shown: string;
  onThisMachine: boolean;
}

/** Throws TokenworkError `bad-endpoint-url`. */
export function parseAddress(text: string): Address {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw badUrl('is no URL', text, cause);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw badUrl('is not of HTTP', text);
  const { origin, username, password, hostname, search } = url;
  return {
    ...addressAt(origin, url.pathname),
    query: search,
    credentials:
      username || password ? `${decodeURIComponent(username)}:${decodeURIComponent(password)}` : null,
    onThisMachine: isThisMachine(hostname),
  };
}

/** The same server at another path. */
export function withBase(address: Address, path: string): Address {
  return { ...address, ...addressAt(address.origin, path) };
}

function addressAt(origin: string, path: string): Pick<Address, 'origin' | 'base' | 'root' | 'shown'> {
  const base = path.replace(/\/+$/, '');
  return { origin, base, root: base.replace(/\/v1$/, ''), shown: `${origin}${base}` };
}

/** The paths at which the API may be where it is not at the address: given in full, or without `/v1`. */
export function likelyBases({ base }: Address): string[] {
  const above = base.replace(/\/(chat\/completions|completions|models|api)$/, '');
  const likely = [above, `${above}/v1`, `${base}/v1`, '/v1'];
  return [...new Set(likely)].filter((path) => path !== base && /(?<!\/v1)\/v1$/.test(path));
}

/** The text is not repeated: it may hold a password. */
function badUrl(problem: string, text: string, cause?: unknown): TokenworkError {
  const [, withoutScheme] = /^(?!\w+:\/\/)([\w.-]+(?::\d+)?(?:\/[\w./-]*)?)$/.exec(text) ?? [];
  const hint = withoutScheme
    ? `Did you mean "http://${withoutScheme}"?`
    : 'Give an address such as http://127.0.0.1:8000/v1.';
  return new TokenworkError('bad-endpoint-url', `The address of the endpoint ${problem}.`, hint, { cause });
}

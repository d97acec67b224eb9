/** Why a download failed, as it can be told across threads. */
export type DownloadFailure =
  | { reason: 'status'; status: number; url: string; errorCode: string | null }
  | { reason: 'dtype-missing'; available: string[] }
  | { reason: 'no-tokenizer' }
  | { reason: 'unsupported'; message: string }
  | { reason: 'error'; message: string; code: string | null };

/** An answer of the hub that is none. */
export class StatusError extends Error {
  readonly status: number;
  readonly url: string;
  readonly errorCode: string | null;

  constructor(response: Response, url: string) {
    super(`HTTP status ${response.status} for ${url}`);
    this.status = response.status;
    this.url = url;
    this.errorCode = response.headers.get('x-error-code');
  }
}

/** The hub as a request meets it. */
interface HubAccess {
  remoteHost: string;
  /** The user's access token. */
  token: string | null;
  /** Time that the server may send nothing. */
  silenceMs: number;
}

/**
 * Sends the user's token to the host it is meant for (the library sends it to huggingface.co alone), and
 * fails where nothing comes for too long, and on any status but those of an answer: "not there" is one where
 * `mayLack` says so of the address.
 */
export function authorisedFetch(
  { remoteHost, token, silenceMs }: HubAccess,
  mayLack: (url: string) => boolean,
) {
  const { origin } = new URL(remoteHost);
  return async (input: string | URL, init?: RequestInit): Promise<Response> => {
    const url = String(input);
    const headers = new Headers(init?.headers);
    if (token && new URL(url).origin === origin) headers.set('authorization', `Bearer ${token}`);
    const response = await bounded(silenceMs, (signal) => fetch(url, { ...init, headers, signal }));
    const isAnswer = response.ok || response.status === 416;
    if (isAnswer || (response.status === 404 && mayLack(url))) return response;
    throw new StatusError(response, url);
  };
}

/** An answer whose every part must come within `silenceMs` of the one before. */
async function bounded(
  silenceMs: number,
  ask: (signal: AbortSignal) => Promise<Response>,
): Promise<Response> {
  const controller = new AbortController();
  const timer = setTimeout(() => {
    const error = new Error(`the server sent nothing for ${silenceMs / 1000} s`);
    controller.abort(Object.assign(error, { code: 'UND_ERR_BODY_TIMEOUT' }));
  }, silenceMs);
  try {
    const { body, status, statusText, headers } = await ask(controller.signal);
    if (body === null) {
      clearTimeout(timer);
      return new Response(null, { status, statusText, headers });
    }
    const watched = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, stream) {
        timer.refresh();
        stream.enqueue(chunk);
      },
      flush: () => clearTimeout(timer),
    });
    return new Response(body.pipeThrough(watched), { status, statusText, headers });
  } catch (error) {
    clearTimeout(timer);
    throw error;
  }
}

/** What a failed request was. */
export function failureOf(thrown: unknown): DownloadFailure {
  if (thrown instanceof StatusError) {
    const { status, url, errorCode } = thrown;
    return { reason: 'status', status, url, errorCode };
  }
  // fetch says only "fetch failed" or "terminated"; what happened is in the chain of causes.
  let error = thrown as { message?: string; code?: unknown; cause?: unknown };
  let code = error.code;
  while (error.cause) {
    error = error.cause as typeof error;
    code = error.code ?? code;
  }
  return {
    reason: 'error',
    message: error.message ?? String(error),
    code: typeof code === 'string' ? code : null,
  };
}

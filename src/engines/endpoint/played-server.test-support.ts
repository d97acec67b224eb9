/** A server on 127.0.0.1 that plays a script: what it answers, in which pieces, when, and how it breaks off. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** A number is a pause in ms; all else is written as it is, one piece after another. */
type Piece = string | Uint8Array | number;

export interface PlayedAnswer {
  status?: number;
  headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Text as it is, all else as JSON. */
  body?: unknown;
  /** A stream in place of a body; a generator may be endless. */
  pieces?: Iterable<Piece> | AsyncIterable<Piece>;
  /** `cut` closes the connection in the middle; `hang` leaves it open, without headers where there is nothing to send. */
  end?: 'whole' | 'cut' | 'hang';
}

export interface PlayedRequest {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  /** Parsed where it is JSON. */
  body: unknown;
  /** Whether the client closed the connection before the answer was whole. */
  aborted: boolean;
}

/** Answers by method and path, such as `GET /v1/models`; whatever is not there is answered 404. `nth` counts from 0. */
export type Script = Readonly<
  Record<string, PlayedAnswer | ((request: PlayedRequest, nth: number) => PlayedAnswer)>
>;

export interface PlayedServer {
  readonly origin: string;
  /** `origin` and `/v1`. */
  readonly url: string;
  readonly port: number;
  readonly requests: readonly PlayedRequest[];
  /** PEM of the certificate, where it speaks TLS. */
  readonly certificate: string | null;
  openConnections(): number;
  /** Resolves once `holds` does, which is asked whenever a request or a connection begins or ends. */
  until(holds: (server: PlayedServer) => boolean): Promise<void>;
  close(): Promise<void>;
}

export interface PlayOptions {
  tls?: boolean;
  port?: number;
  /** It stops by itself then. */
  lifetimeMs?: number;
}

/** Plays `script` until it is closed, or for half a minute. */
export async function playServer(script: Script, options: PlayOptions = {}): Promise<PlayedServer> {
  const requests: PlayedRequest[] = [];
  const sockets = new Set<{ destroy(): unknown }>();
  const waiting = new Set<() => void>();
  const changed = () => {
    for (const look of waiting) look();
  };
  const counts = new Map<string, number>();
  const listener = async (incoming: IncomingMessage, response: ServerResponse) => {
    const request = await readRequest(incoming);
    requests.push(request);
    changed();
    const key = `${request.method} ${request.path.split('?')[0]}`;
    const nth = counts.get(key) ?? 0;
    counts.set(key, nth + 1);
    const planned = script[key] ?? notFound;
    const answer = typeof planned === 'function' ? planned(request, nth) : planned;
    response.on('close', () => {
      request.aborted = answer.end !== 'cut' && !response.writableFinished;
      changed();
    });
    await answerWith(answer, response);
  };
  const tls = options.tls ? selfSigned() : null;
  const server = tls ? createHttpsServer(tls, listener) : createHttpServer(listener);
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => {
      sockets.delete(socket);
      changed();
    });
    changed();
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const origin = `${tls ? 'https' : 'http'}://127.0.0.1:${port}`;
  const close = async () => {
    clearTimeout(lifetime);
    for (const socket of sockets) socket.destroy();
    if (!server.listening) return;
    server.close();
    await once(server, 'close');
  };
  const lifetime = setTimeout(close, options.lifetimeMs ?? 30_000);
  const played: PlayedServer = {
    origin,
    url: `${origin}/v1`,
    port,
    requests,
    certificate: tls?.cert ?? null,
    openConnections: () => sockets.size,
    until: (holds) =>
      new Promise((resolve) => {
        const look = () => {
          if (!holds(played)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    close,
  };
  return played;
}

const notFound: PlayedAnswer = { status: 404, body: { error: { message: 'Not Found', code: 404 } } };

async function readRequest(incoming: IncomingMessage): Promise<PlayedRequest> {
  const parts: Buffer[] = [];
  for await (const part of incoming) parts.push(part);
  const text = Buffer.concat(parts).toString();
  let body: unknown = text;
  try {
    body = JSON.parse(text);
  } catch {
    // Kept as text.
  }
  const { method, url, headers } = incoming;
  return { method: method!, path: url!, headers, body, aborted: false };
}

async function answerWith(answer: PlayedAnswer, response: ServerResponse): Promise<void> {
  const { status = 200, headers = {}, body, pieces, end = 'whole' } = answer;
  if (end === 'hang' && body === undefined && pieces === undefined) return;
  const type = pieces ? 'text/event-stream' : typeof body === 'string' ? 'text/plain' : 'application/json';
  response.writeHead(status, { 'content-type': type, ...(headers as Record<string, string>) });
  response.flushHeaders();
  for await (const piece of pieces ?? [typeof body === 'string' ? body : JSON.stringify(body ?? null)]) {
    if (response.destroyed) return;
    if (typeof piece === 'number') await pause(piece);
    else if (!response.write(piece)) await drained(response);
  }
  if (end === 'whole') response.end();
  else if (end === 'cut') response.write('', () => response.socket?.destroy());
}

/** Resolves when more can be written, or no more ever. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise<void>((resolve) => {
    const go = () => {
      response.off('drain', go).off('close', go);
      resolve();
    };
    response.on('drain', go).on('close', go);
  });
}

/** Why TLS cannot be played here, or null. */
export const lacksOpenssl = spawnSync('openssl', ['version']).status === 0 ? null : 'there is no openssl';

/** A fresh key, and a certificate of it for 127.0.0.1 that no authority signed. */
function selfSigned(): { key: string; cert: string } {
  const folder = mkdtempSync(join(tmpdir(), 'played-server-'));
  try {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const name = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
    spawnSync('openssl', ['req', '-x509', ...curve, '-keyout', key, '-out', cert, ...name]);
    return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Events as OpenAI's API frames them, `[DONE]` last. */
export function sse(...events: readonly unknown[]): string[] {
  return [...events.map((event) => `data: ${JSON.stringify(event)}\n\n`), 'data: [DONE]\n\n'];
}

/** The answer of `/v1/models`. */
export function modelList(...ids: readonly string[]): PlayedAnswer {
  return { body: { object: 'list', data: ids.map((id) => ({ id, object: 'model', owned_by: 'played' })) } };
}

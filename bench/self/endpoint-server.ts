/**
 * Plays a vLLM on 127.0.0.1 that streams 50 tokens/s to each request, in a process of its own: raw sockets and ready
 * texts, so that it takes less of the machine than the client that is measured. Prints its port, and ends with its parent.
 * With the argument `at-once` it answers each request with all of its tokens as soon as it comes.
 */
import { type AddressInfo, createServer, type Socket } from 'node:net';

const tokenMs = 20;
const atOnce = process.argv[2] === 'at-once';
const mostTokens = 4096;

const asChunk = (text: string) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const event = (content: object) =>
  `data: ${JSON.stringify({ id: 'cmpl-1', object: 'text_completion', created: 1, model: 'played', ...content })}\n\n`;
const usage = (tokens: number) => ({ prompt_tokens: 8, total_tokens: 8 + tokens, completion_tokens: tokens });
const choice = (finish: string | null) => ({
  ...{ index: 0, text: ' word', logprobs: null, finish_reason: finish, stop_reason: null },
});
const tokenChunks = Array.from({ length: mostTokens + 1 }, (_, tokens) =>
  Buffer.from(asChunk(event({ choices: [choice(null)], usage: usage(tokens) }))),
);
const lastChunks = (tokens: number) =>
  asChunk(event({ choices: [choice('length')], usage: usage(tokens) })) +
  asChunk(event({ choices: [], usage: usage(tokens) })) +
  `${asChunk('data: [DONE]\n\n')}0\r\n\r\n`;
const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n';
const models = JSON.stringify({
  object: 'list',
  data: [{ id: 'played', object: 'model', owned_by: 'vllm' }],
});
/** A word is a token. */
const tokenized = (body: string) => {
  const words = (JSON.parse(body) as { prompt: string }).prompt.split(' ').filter((word) => word !== '');
  return JSON.stringify({ count: words.length, tokens: words.map((word) => word.length) });
};

interface Stream {
  socket: Socket;
  sent: number;
  tokens: number;
}
/** Streams by the millisecond in which their next token is due, so that they do not come in step. */
const wheel: Set<Stream>[] = Array.from({ length: tokenMs }, () => new Set());
let nextSlot = 0;
let turnedMs = performance.now();

function turn(): void {
  // Up to now and no further: a server that lags would never come to its requests.
  const nowMs = performance.now();
  for (; turnedMs + 1 <= nowMs; turnedMs++) {
    const due = wheel[Math.floor(turnedMs) % tokenMs]!;
    for (const stream of due) {
      stream.sent++;
      const isLast = stream.sent >= stream.tokens || stream.socket.destroyed;
      if (isLast) due.delete(stream);
      if (!stream.socket.destroyed)
        stream.socket.write(isLast ? lastChunks(stream.sent) : tokenChunks[stream.sent]!);
    }
  }
  setTimeout(turn, 1);
}

const server = createServer((socket) => {
  let pending = '';
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (data) => {
    pending += data.toString('latin1');
    const bodyAt = pending.indexOf('\r\n\r\n') + 4;
    const length = Number(/content-length: (\d+)/i.exec(pending)?.[1] ?? 0);
    if (bodyAt < 4 || pending.length < bodyAt + length) return;
    const body = pending.slice(bodyAt, bodyAt + length);
    const isModels = pending.startsWith('GET /v1/models');
    const isTokenize = pending.startsWith('POST /tokenize');
    pending = '';
    if (body === '' || isTokenize) {
      const known = isModels ? models : isTokenize ? tokenized(body) : null;
      const [status, text] = known === null ? ['404 Not Found', '{}'] : ['200 OK', known];
      socket.write(
        `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
      );
      return;
    }
    const asked = (JSON.parse(body) as { max_tokens: number }).max_tokens;
    const tokens = Math.min(asked, mostTokens);
    if (atOnce) {
      socket.write(head + tokenChunks.slice(1, tokens).join('') + lastChunks(tokens));
      return;
    }
    socket.write(head);
    wheel[nextSlot++ % tokenMs]!.add({ socket, sent: 0, tokens });
  });
});
server.listen(0, '127.0.0.1', 4096, () =>
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`),
);
process.stdin.on('end', () => process.exit()).resume();
turn();

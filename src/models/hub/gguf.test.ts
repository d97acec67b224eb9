import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { downloadGguf, parseHubFile } from './gguf.js';

const file = 'model-00002-of-00002.gguf';
const first = 'model-00001-of-00002.gguf';
const repo = 'owner/name-GGUF';
const content = Buffer.from(Array.from({ length: 200_000 }, (_, index) => (index * 7) % 251));

let cache: string;
let server: Server;
let requests: { path: string; range: string | undefined }[];
/** Answers in place of the file; 'break' ends the connection halfway. */
let answer: ((request: IncomingMessage, response: ServerResponse) => void) | 'break' | null;
let etag: string;

function serve(request: IncomingMessage, response: ServerResponse): void {
  const { range } = request.headers;
  requests.push({ path: request.url!, range });
  if (typeof answer === 'function') {
    answer(request, response);
    return;
  }
  const from = request.headers['if-range'] === etag ? Number(/^bytes=(\d+)-$/.exec(range!)![1]) : 0;
  const rest = content.subarray(from);
  response.writeHead(from > 0 ? 206 : 200, { etag, 'content-length': rest.length });
  if (answer === 'break') response.write(rest.subarray(0, rest.length / 2), () => response.destroy());
  else response.end(rest);
}

beforeEach(async () => {
  cache = mkdtempSync(join(tmpdir(), 'tokenwork-hub-gguf-'));
  [requests, answer, etag] = [[], null, '"one"'];
  server = createServer(serve);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(cache, { recursive: true });
});

const download = (name = 'model.gguf') => downloadGguf(`hf:${repo}:${name}`, { cacheDirectory: cache });
const isWhole = (path: string) => expect(readFileSync(path).equals(content)).toBe(true);

describe('a GGUF file of the hub', () => {
  it('is downloaded once, and then taken from the cache without the network', async () => {
    const path = await download();
    isWhole(path);
    expect(requests).toEqual([{ path: `/${repo}/resolve/main/model.gguf`, range: undefined }]);
    vi.stubEnv('HF_ENDPOINT', process.env.HF_ENDPOINT!);
    expect(await download()).toBe(path);
    expect(requests).toHaveLength(1);
  });

  it('comes with all of its parts', async () => {
    const path = await download(`folder/${file}`);
    isWhole(path);
    isWhole(path.replace(file, first));
    expect(requests.map((request) => request.path)).toEqual(
      [first, file].map((name) => `/${repo}/resolve/main/folder/${name}`),
    );
  });

  it('is gone on from where a download broke off', async () => {
    answer = 'break';
    await expect(download()).rejects.toMatchObject({ code: 'download-interrupted', exitCode: 3 });
    answer = null;
    isWhole(await download());
    expect(requests[1]!.range).toMatch(/^bytes=\d+-$/);
  });

  it('is fetched anew where the hub has another file since, or the cache a shorter one', async () => {
    answer = 'break';
    await expect(download()).rejects.toMatchObject({ code: 'download-interrupted' });
    [answer, etag] = [null, '"two"'];
    const path = await download();
    isWhole(path);
    truncateSync(path, 1000);
    isWhole(await download());
    expect(requests).toHaveLength(3);
  });

  it.each([
    [404, 'hub-not-found', /with a model\.gguf/],
    [401, 'hub-unauthorised', /private or gated/],
    [503, 'hub-error', /answered 503/],
  ])('that the hub answers with %i for is refused', async (status, code, message) => {
    answer = (_request, response) => response.writeHead(status).end();
    await expect(download()).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    expect(existsSync(join(cache, 'hub-gguf', 'model.gguf'))).toBe(false);
  });

  it('is named by repository and file', () => {
    expect(parseHubFile('hf:owner/name@v1:q4/model.gguf')).toEqual({
      ...{ repo: 'owner/name', revision: 'v1', file: 'q4/model.gguf' },
    });
    for (const spec of [
      'hf:owner/name:',
      'hf:owner/name:../x.gguf',
      'hf:owner/name:/x.gguf',
      'hf:owner/name:model.bin',
      'hf::model.gguf',
    ])
      expect(() => parseHubFile(spec), spec).toThrow(expect.objectContaining({ code: 'bad-hub-spec' }));
  });
});

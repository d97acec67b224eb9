import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { lacksShared, sharedPath } from '../../shared-files.test-support.js';
import { decodeModel, encodeModel } from '../onnx/proto.js';
import { hubError } from './failure.js';
import type * as Hub from './repository.js';
import { parseHubSpec } from './repository.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const stories = sharedPath('models/stories260K');
const repo = 'owner/SmolLM2-135M-Instruct';

type Answer = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

/** A hub on the loopback: serves the files of stories260K as `repo`, save where a test answers itself. */
class LoopbackHub {
  readonly requests: { path: string; ranged: boolean; authorization: string | undefined }[] = [];
  readonly answers = new Map<string, Answer>();
  revision = 'main';
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => void this.serve(request, response));
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** Whole-file requests for `path`; the others only ask for its size. */
  downloadsOf(path: string): number {
    return this.requests.filter((request) => request.path === path && !request.ranged).length;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const prefix = `/${repo}/resolve/${encodeURIComponent(this.revision)}/`;
    const path = request.url!.startsWith(prefix) ? request.url!.slice(prefix.length) : '';
    const range = /^bytes=0-0$/.exec(request.headers.range ?? '');
    this.requests.push({ path, ranged: range !== null, authorization: request.headers.authorization });
    const file = join(stories, path);
    const body = path !== '' && existsSync(file) ? await readFile(file) : Buffer.alloc(0);
    const answer = this.answers.get(path) ?? this.answers.get('*');
    if (answer) return answer(request, response, body);
    if (body.length === 0) {
      response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end();
    } else if (range) {
      response.writeHead(206, { 'content-range': `bytes 0-0/${body.length}` }).end(body.subarray(0, 1));
    } else {
      response.writeHead(200, { 'content-length': body.length }).end(body);
    }
  }
}

const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (_request, response) =>
    response.writeHead(code, headers).end();

/** Answers questions of size truthfully and hands whole-file requests to `answer`. */
const whole =
  (answer: (response: ServerResponse, body: Buffer) => void): Answer =>
  (request, response, body) =>
    request.headers.range
      ? response.writeHead(206, { 'content-range': `bytes 0-0/${body.length}` }).end(body.subarray(0, 1))
      : answer(response, body);

const bytes = (body: Buffer): Answer => {
  const answer = whole((response) => response.writeHead(200, { 'content-length': body.length }).end(body));
  return (request, response) => answer(request, response, body);
};

const breakOff = whole((response, body) => {
  response.writeHead(200, { 'content-length': body.length });
  response.write(body.subarray(0, body.length / 2), () => response.destroy());
});

test('a spec names a repository and, after @, a revision', () => {
  expect(parseHubSpec('hf:owner/name')).toEqual({ repo: 'owner/name', revision: 'main' });
  expect(parseHubSpec('hf:gpt2@refs/pr/1')).toEqual({ repo: 'gpt2', revision: 'refs/pr/1' });
  for (const spec of [
    'hf:',
    'hf:a/b/c',
    'hf:../etc',
    'hf:a/..',
    'hf:a b',
    'hf:a/b@',
    'hf:a/b@../../x',
    'a/b',
  ])
    expect(() => parseHubSpec(spec), spec).toThrow(expect.objectContaining({ code: 'bad-hub-spec' }));
});

// The download runs in a thread of its own, which needs compiled code: these tests use the compiled hub.
describe.skipIf(lacksShared)('a download from the hub', () => {
  const compiled = pathToFileURL(join(root, 'dist/models/hub/repository.js')).href;
  let hubModule: typeof Hub;
  let hub: LoopbackHub;
  let endpoint: string;
  let cache: string;
  const environment = { ...process.env };

  beforeAll(async () => {
    hubModule = await import(compiled);
  });

  beforeEach(async () => {
    hub = new LoopbackHub();
    endpoint = await hub.listen();
    process.env = { ...environment, HF_ENDPOINT: endpoint };
    delete process.env.HF_TOKEN;
    cache = await mkdtemp(join(tmpdir(), 'tokenwork-hub-'));
  });
  afterEach(async () => {
    process.env = environment;
    await hub.close();
    await rm(cache, { recursive: true });
  });

  const download = (options: Partial<Hub.DownloadOptions> = {}, spec = `hf:${repo}`) =>
    hubModule.downloadRepo(spec, { cacheDirectory: cache, ...options });
  // Not by toEqual, which takes seconds over a megabyte.
  const expectWhole = async (directory: string, file: string) => {
    const [actual, expected] = [await readFile(join(directory, file)), await readFile(join(stories, file))];
    expect(actual.equals(expected), file).toBe(true);
  };
  const inCache = async (pattern: RegExp) =>
    (await readdir(cache, { recursive: true })).filter((name) => pattern.test(name));

  test('leaves a whole model folder, and asks the network no more', async () => {
    const { directory, dtype, available } = await download();
    expect({ dtype, available }).toEqual({ dtype: 'fp32', available: ['fp32', 'int8'] });
    const files = ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json'];
    for (const file of [...files, 'onnx/model.onnx']) await expectWhole(directory, file);
    expect(existsSync(join(directory, 'onnx/model_quantized.onnx'))).toBe(false);

    const asked = hub.requests.length;
    expect((await download()).directory).toBe(directory);
    expect(hub.requests).toHaveLength(asked);
  });

  test('fetches another dtype beside the first, and only that', async () => {
    const first = await download();
    const second = await download({ dtype: 'int8' });
    expect(second.directory).toBe(first.directory);
    expect(second.dtype).toBe('int8');
    expect(await readdir(join(first.directory, 'onnx'))).toEqual(['model.onnx', 'model_quantized.onnx']);
    expect(hub.downloadsOf('onnx/model.onnx')).toBe(1);
    expect(hub.downloadsOf('tokenizer.json')).toBe(1);
    expect((await download()).dtype).toBe('fp32');
  });

  test('takes turns with another download of the same repository', async () => {
    const both = await Promise.all([download({ dtype: 'fp32' }), download({ dtype: 'int8' }), download()]);
    expect(both.map(({ dtype }) => dtype)).toEqual(['fp32', 'int8', 'fp32']);
    expect(hub.downloadsOf('onnx/model.onnx')).toBe(1);
    expect(hub.downloadsOf('config.json')).toBe(1);
  });

  test('takes the most exact dtype even where another one is here already', async () => {
    await download({ dtype: 'int8' });
    expect((await download()).dtype).toBe('fp32');
  });

  test('fetches the weights a graph keeps in other files, where the config tells of them', async () => {
    const model = decodeModel(await readFile(join(stories, 'onnx/model.onnx')));
    const tensor = model.graph.initializer!.find(({ rawData }) => (rawData?.length ?? 0) > 1000)!;
    const data = Buffer.from(tensor.rawData!);
    delete tensor.rawData;
    tensor.dataLocation = 1;
    tensor.externalData = [
      { key: 'location', value: 'model.onnx_data' },
      { key: 'length', value: String(data.length) },
    ];
    const config = JSON.parse(await readFile(join(stories, 'config.json'), 'utf8'));
    const external = { 'transformers.js_config': { use_external_data_format: { 'model.onnx': 1 } } };
    hub.answers.set('onnx/model.onnx', bytes(Buffer.from(encodeModel(model))));
    hub.answers.set('onnx/model.onnx_data', bytes(data));
    await expect(download()).rejects.toMatchObject({ code: 'external-data-missing' });

    await rm(cache, { recursive: true });
    await mkdir(cache);
    hub.answers.set('config.json', bytes(Buffer.from(JSON.stringify({ ...config, ...external }))));
    const { directory } = await download();
    expect((await readFile(join(directory, 'onnx/model.onnx_data'))).equals(data)).toBe(true);
    await truncate(join(directory, 'onnx/model.onnx_data'), 10);
    await download();
    expect((await readFile(join(directory, 'onnx/model.onnx_data'))).equals(data)).toBe(true);
    expect(hub.downloadsOf('onnx/model.onnx')).toBe(2);
  });

  test('keeps revisions apart', async () => {
    const main = await download();
    hub.revision = 'refs/pr/1';
    const other = await download({}, `hf:${repo}@refs/pr/1`);
    expect(other.directory).not.toBe(main.directory);
    expect(existsSync(join(other.directory, 'onnx/model.onnx'))).toBe(true);
  });

  test('reports each file with its bytes', async () => {
    const seen: Hub.DownloadProgress[] = [];
    await download({ onProgress: (progress) => seen.push(progress) });
    const bytes = (await readFile(join(stories, 'onnx/model.onnx'))).length;
    const weights = seen.filter(({ file }) => file === 'onnx/model.onnx');
    expect(weights.length).toBeGreaterThan(1);
    expect(weights.every(({ totalBytes }) => totalBytes === bytes)).toBe(true);
    expect(weights.at(-1)).toMatchObject({ loadedBytes: bytes, fraction: 1 });
    const loaded = weights.map(({ loadedBytes }) => loadedBytes);
    expect(loaded).toEqual([...loaded].sort((a, b) => a - b));
  });

  test('sends HF_TOKEN to the endpoint', async () => {
    process.env.HF_TOKEN = 'secret';
    await download();
    expect(new Set(hub.requests.map(({ authorization }) => authorization))).toEqual(
      new Set(['Bearer secret']),
    );
  });

  test('names the recipe of the same shape when the host cannot be reached', async () => {
    await hub.close();
    await expect(download()).rejects.toMatchObject({
      code: 'hub-unreachable',
      exitCode: 3,
      message: expect.stringContaining(endpoint),
      hint: expect.stringContaining('"smollm2-135m"'),
    });
  });

  test.each([
    [
      'no such repository',
      status(404, { 'x-error-code': 'RepoNotFound' }),
      'hub-not-found',
      /There is no model/,
    ],
    [
      'an anonymous visitor',
      status(401, { 'x-error-code': 'RepoNotFound' }),
      'hub-unauthorised',
      /does not exist/,
    ],
    ['a gated repository', status(403, { 'x-error-code': 'GatedRepo' }), 'hub-forbidden', /closed to you/],
    ['too many requests', status(429), 'hub-error', /answered 429/],
    ['a broken server', status(503), 'hub-error', /answered 503/],
  ])('says so: %s', async (_what, answer, code, message) => {
    hub.answers.set('*', answer);
    await expect(download()).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test('says which dtypes there are when the one asked for is not', async () => {
    await expect(download({ dtype: 'q4' })).rejects.toMatchObject({
      code: 'dtype-missing',
      hint: expect.stringContaining('fp32, int8'),
    });
  });

  test('says so when a repository has no ONNX file, no tokenizer, or another kind of model', async () => {
    hub.answers.set('tokenizer_config.json', status(404));
    await expect(download()).rejects.toMatchObject({ code: 'no-tokenizer' });
    for (const file of ['onnx/model.onnx', 'onnx/model_quantized.onnx']) hub.answers.set(file, status(404));
    await expect(download()).rejects.toMatchObject({ code: 'no-onnx' });
    hub.answers.set('config.json', (_request, response) => response.end('{"model_type": "vit"}'));
    await rm(cache, { recursive: true });
    await mkdir(cache);
    await expect(download()).rejects.toMatchObject({
      code: 'unsupported-architecture',
      message: expect.stringContaining('vit'),
    });
  });

  test('goes on from the files that had arrived when a download breaks off', async () => {
    hub.answers.set('onnx/model.onnx', breakOff);
    await expect(download()).rejects.toMatchObject({ code: 'download-interrupted', exitCode: 3 });
    expect(await inCache(/\.onnx|\.tmp/)).toEqual([]);
    hub.answers.clear();
    const { directory } = await download();
    expect(existsSync(join(directory, 'onnx/model.onnx'))).toBe(true);
    expect(hub.downloadsOf('tokenizer.json')).toBe(1);
  });

  test('never takes a body that ended early for the file, even where the server gave no length', async () => {
    hub.answers.set(
      'onnx/model.onnx',
      whole((response, body) => response.writeHead(200).end(body.subarray(0, body.length / 2))),
    );
    await expect(download()).rejects.toMatchObject({
      code: 'download-damaged',
      message: expect.stringMatching(/onnx\/model\.onnx has \d+ bytes of \d+/),
    });
    hub.answers.clear();
    const { directory } = await download();
    await expectWhole(directory, 'onnx/model.onnx');
  });

  test.each(['config.json', 'tokenizer.json', 'onnx/model.onnx'])(
    'never keeps a web page served in place of %s',
    async (file) => {
      hub.answers.set(file, (_request, response) =>
        response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Log in</html>'),
      );
      await expect(download()).rejects.toMatchObject({ exitCode: 3 });
      hub.answers.clear();
      const { directory } = await download();
      await expectWhole(directory, file);
    },
  );

  test.each([
    ['before it answers', (() => {}) as Answer],
    [
      'in the middle of a file',
      whole((response, body) => {
        response.writeHead(200, { 'content-length': body.length });
        response.write(body.subarray(0, body.length / 2));
      }),
    ],
  ])('gives a hub up that falls silent %s', async (_when, answer) => {
    hub.answers.set('onnx/model.onnx', answer);
    await expect(download({ silenceMs: 1000 })).rejects.toMatchObject({
      code: 'download-interrupted',
      exitCode: 3,
      message: expect.stringContaining('sent nothing for 1 s'),
    });
  });

  test('stops when asked to and leaves nothing unfinished', async () => {
    const stop = new AbortController();
    hub.answers.set(
      'onnx/model.onnx',
      whole((response, body) => {
        response.writeHead(200, { 'content-length': body.length });
        response.write(body.subarray(0, body.length / 2), () => stop.abort());
      }),
    );
    await expect(download({ signal: stop.signal })).rejects.toMatchObject({ code: 'aborted', exitCode: 3 });
    expect(await inCache(/\.onnx|\.tmp/)).toEqual([]);
    await expect(download({ signal: stop.signal })).rejects.toMatchObject({ code: 'aborted' });
  });

  test('downloads again what a killed process left unfinished', async () => {
    hub.answers.set(
      'onnx/model.onnx',
      whole((response, body) => {
        response.writeHead(200, { 'content-length': body.length });
        response.write(body.subarray(0, body.length / 2));
      }),
    );
    const script = `
      const { downloadRepo } = await import(${JSON.stringify(compiled)});
      const onProgress = ({ file }) => file === 'onnx/model.onnx' && process.kill(process.pid, 'SIGKILL');
      await downloadRepo('hf:${repo}', { cacheDirectory: ${JSON.stringify(cache)}, onProgress });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
    const [, signal] = await new Promise<[number | null, string | null]>((resolve) =>
      child.on('exit', (code, name) => resolve([code, name])),
    );
    expect(signal).toBe('SIGKILL');
    expect(await inCache(/\.onnx\.tmp/)).toHaveLength(1);

    hub.answers.clear();
    const { directory } = await download();
    expect(await inCache(/\.tmp/)).toEqual([]);
    await expectWhole(directory, 'onnx/model.onnx');
  });

  test('downloads again what was changed in the cache since', async () => {
    const { directory } = await download();
    await writeFile(join(directory, 'onnx/model.onnx'), 'damaged');
    await download();
    await expectWhole(directory, 'onnx/model.onnx');
  });

  test('says so when the disk is full', async () => {
    const failure = { reason: 'error', message: 'write', code: 'ENOSPC' } as const;
    const place = { repo, revision: 'main', remoteHost: endpoint };
    expect(await hubError(failure, place, cache)).toMatchObject({
      code: 'disk-full',
      exitCode: 3,
      message: expect.stringContaining(cache),
    });
  });

  test('says so when the cache cannot be written', async () => {
    const file = join(cache, 'file');
    await writeFile(file, '');
    await expect(download({ cacheDirectory: file })).rejects.toMatchObject({
      code: 'cache-unwritable',
      exitCode: 2,
    });
  });
});

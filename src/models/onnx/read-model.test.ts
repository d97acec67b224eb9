import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeModel } from './proto.js';
import { readModel } from './read-model.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tokenwork-read-model-'));
});
afterAll(() => rm(folder, { recursive: true }));

const model = encodeModel({
  irVersion: 8,
  opsetImport: [{ domain: '', version: 17 }],
  graph: {
    name: 'one',
    node: [{ opType: 'Relu', input: ['x'], output: ['y'] }],
    initializer: [{ name: 'w', dims: [64], dataType: 1, rawData: new Uint8Array(256) }],
    input: [{ name: 'x' }],
    output: [{ name: 'y' }],
  },
});

async function file(content: Uint8Array | string): Promise<string> {
  const path = join(folder, `${Math.random()}.onnx`);
  await writeFile(path, content);
  return path;
}

test('reads a graph', async () => {
  const { graph } = await readModel(await file(model));
  expect(graph.node?.[0]?.opType).toBe('Relu');
  expect(graph.initializer?.[0]?.dims).toEqual([64]);
});

test.each([
  ['', 'model-empty'],
  ['<!DOCTYPE html><html></html>', 'model-not-onnx'],
  ['version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n', 'model-not-onnx'],
  ['{"model_type": "llama"}', 'model-not-onnx'],
  ['GGUF\x03\0\0\0', 'model-not-onnx'],
  ['PK\x03\x04rest', 'model-not-onnx'],
  ['hello, I am prose about models', 'model-not-onnx'],
])('refuses %j as %s', async (content, code) => {
  await expect(readModel(await file(content))).rejects.toMatchObject({ code, exitCode: 2 });
});

test('says that a model cut anywhere is no whole model', async () => {
  for (let length = 1; length < model.length; length++) {
    const path = await file(model.subarray(0, length));
    // An opset that follows the graph may be cut off cleanly; nothing else may pass for a model.
    const outcome = await readModel(path).then(
      () => 'read',
      (error: { code: string }) => error.code,
    );
    expect(['model-truncated', 'model-not-onnx'].includes(outcome) || length > model.length - 8).toBe(true);
  }
  const half = await file(model.subarray(0, model.length >> 1));
  await expect(readModel(half)).rejects.toMatchObject({ code: 'model-truncated' });
});

test('names a missing file and a folder', async () => {
  await expect(readModel(join(folder, 'none.onnx'))).rejects.toMatchObject({ code: 'model-missing' });
  await mkdir(join(folder, 'dir'));
  await expect(readModel(join(folder, 'dir'))).rejects.toMatchObject({ code: 'model-unreadable' });
});

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isOk } from '../core/result.js';
import { findLlama } from '../engines/llama/packages.js';
import { loadEncoderRecipe } from '../models/encoder/recipe.js';
import { writeEncoderGguf } from '../models/gguf/encoder-file.test-support.js';
import { ShortRuns } from './testing/short-runs.js';

const recipe = await loadEncoderRecipe('tiny-encoder');
const runs = new ShortRuns(
  { completionTokens: [2], promptTokens: [20] },
  { sensors: 'none', concurrency: 2 },
);

/** A file of a pipeline that embeds with that model. */
function pipelineWith(embedder: string): string {
  const path = join(runs.folder, 'rag.json');
  writeFileSync(
    path,
    JSON.stringify({
      description: 'a test',
      models: { embedder },
      stages: [
        { type: 'tokenization' },
        { type: 'retrieval', embedder: 'embedder', vectors: 100, top: 2, pieceTokens: 5, billed: false },
        { type: 'prefill' },
        { type: 'decode' },
        { type: 'detokenization' },
      ],
    }),
  );
  return path;
}

describe.skipIf(findLlama('cpu') === null)('a pipeline whose embedder is a GGUF file', () => {
  it('runs it beside a model in ONNX', async () => {
    const embedder = writeEncoderGguf(join(runs.folder, 'tiny-embedder.gguf'), recipe);
    const result = await runs.bench({ pipeline: pipelineWith(embedder) });
    const own = result.models.find(({ id }) => id === 'tiny-embedder')!;
    expect(own).toMatchObject({
      ...{ dtype: 'F16', engine: { name: 'llama', device: 'cpu', sharedSession: true } },
    });
    expect(result.requests.length).toBeGreaterThan(0);
    for (const request of result.requests) {
      expect(isOk(request)).toBe(true);
      const stage = isOk(request) ? request.stages.find(({ type }) => type === 'retrieval') : undefined;
      expect(stage).toMatchObject({ model: 'tiny-embedder' });
      expect(stage?.work.flops).toBeGreaterThan(0);
    }
  });

  it('says of a file that llama.cpp does not load why, before the run', async () => {
    const fields = { 'tokenizer.ggml.token_type_count': { uint32: 0 } };
    const embedder = writeEncoderGguf(join(runs.folder, 'untyped.gguf'), recipe, fields);
    await expect(runs.bench({ pipeline: pipelineWith(embedder) })).rejects.toMatchObject({
      code: 'model-load-failed',
      message: expect.stringContaining('token type count'),
    });
  });
});

import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type GgufModel, readGguf } from '../../gguf/read.js';
import { ggufFile } from '../../gguf/write.js';
import { widenHalf } from '../../half.js';
import { recipeFromConfig } from '../../hf-config.js';
import type { Recipe } from '../../recipe.js';
import { loadTokenizer } from '../../tokenizer.js';
import { materialise } from '../build-graph.js';
import { buildModel } from '../build-model.js';
import { writeDecoder } from '../decoder.js';
import { configOf, vocabularyOf } from '../folder-files.js';
import { defaultGraphVariant } from '../graph-variant.js';
import { smallRecipes } from '../shapes.test-support.js';
import { elementType, type TensorSpec } from '../tensor.js';
import { buildGguf, builtGgufDirectory } from './build.js';
import { dtypes, expectCostsOfGraph, writtenRecipes } from './costs.test-support.js';
import { ggufFormatOf, ggufMetadata } from './metadata.js';
import { writePieces } from './pieces.js';
import { interleavedRow, transposedHalves } from './rows.js';
import { ggufTensors } from './tensors.js';

const cacheDirectory = mkdtempSync(join(tmpdir(), 'tokenwork-gguf-build-'));
afterAll(() => rmSync(cacheDirectory, { recursive: true }));

const { qwen2_moe } = smallRecipes;
/** Every third architecture, each in one of the dtypes; the rest is in build.slow.test.ts. */
const kinds = writtenRecipes
  .filter((_, index) => index % 3 === 0)
  .map((recipe, index) => ({
    ...{ recipe, architecture: recipe.architecture },
    dtype: dtypes[index % dtypes.length]!,
  }));

const built = async (recipe: Recipe, dtype: (typeof dtypes)[number], seed = 1) =>
  join(await buildGguf(recipe, { dtype, seed, cacheDirectory }), 'model.gguf');
const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');

/** A tensor's values, F32 or F16. */
function valuesOf(model: GgufModel, wanted: string): { values: Float32Array; shape: number[] } {
  const { type, bytes, path, offset, shape } = model.tensors.find(({ name }) => name === wanted)!;
  const data = Uint8Array.from(readFileSync(path).subarray(offset, offset + bytes));
  if (type === 'F32') return { values: new Float32Array(data.buffer), shape };
  expect(type).toBe('F16');
  const values = new Float32Array(bytes / 2);
  widenHalf(new Uint16Array(data.buffer), values);
  return { values, shape };
}

/** The same tensor in the recipe's ONNX decoder. */
function onnxValues(recipe: Recipe, name: string): Float32Array {
  const { tensors } = writeDecoder(recipe, { dtype: 'fp16', graphVariant: defaultGraphVariant(recipe) });
  const bytes = materialise(tensors.find((tensor) => tensor.name === name)!, 1);
  const values = new Float32Array(bytes.byteLength / 2);
  widenHalf(new Uint16Array(bytes.buffer), values);
  return values;
}

describe('a recipe written as GGUF', () => {
  it.each(kinds)('costs what its ONNX graph costs: $architecture, $dtype', ({ recipe, dtype }) =>
    expectCostsOfGraph(recipe, dtype, cacheDirectory),
  );

  it('has the same bytes for the same seed, and others for another', async () => {
    const first = await built(smallRecipes.llama, 'q4');
    const again = mkdtempSync(join(cacheDirectory, 'again-'));
    const second = join(
      await buildGguf(smallRecipes.llama, { dtype: 'q4', cacheDirectory: again }),
      'model.gguf',
    );
    expect(sha256(second)).toBe(sha256(first));
    expect(sha256(await built(smallRecipes.llama, 'q4', 2))).not.toBe(sha256(first));
  });

  it('has its weights transposed, and the rows that Llama rotates in pairs of neighbours', async () => {
    for (const [recipe, isPaired] of [
      [smallRecipes.llama, true],
      [smallRecipes.qwen3, false],
    ] as const) {
      const model = await readGguf(await built(recipe, 'fp16'));
      const { values, shape } = valuesOf(model, 'blk.1.attn_q.weight');
      const { hiddenSize, heads, headDim } = recipe;
      expect(shape).toEqual([hiddenSize, heads * headDim]);
      const onnx = onnxValues(recipe, 'model.layers.1.self_attn.q_proj.weight');
      for (const row of [0, 1, 2, headDim - 1, headDim + 3, heads * headDim - 2]) {
        // LlamaModel.permute of llama.cpp's converter: head, half, place becomes head, place, half.
        const [head, within] = [Math.floor(row / headDim), row % headDim];
        const column = isPaired
          ? head * headDim + (within % 2) * (headDim / 2) + Math.floor(within / 2)
          : row;
        for (const input of [0, 5, hiddenSize - 1])
          expect(values[row * hiddenSize + input]).toBe(onnx[input * heads * headDim + column]);
      }
    }
  });

  it('has gates and ups of its experts apart, which ONNX interleaves', async () => {
    const recipe = smallRecipes.qwen3_moe;
    const { experts, expertSize } = recipe.mixture!;
    const model = await readGguf(await built(recipe, 'fp16'));
    const onnx = onnxValues(recipe, 'model.layers.0.mlp.experts.gate_up_proj.weight');
    for (const [parity, name] of ['ffn_gate_exps', 'ffn_up_exps'].entries()) {
      const { values, shape } = valuesOf(model, `blk.0.${name}.weight`);
      expect(shape).toEqual([recipe.hiddenSize, expertSize, experts]);
      for (const [expert, row] of [
        [0, 0],
        [1, 7],
        [experts - 1, expertSize - 1],
      ] as const) {
        const at = (expert * expertSize + row) * recipe.hiddenSize;
        const there = ((expert * expertSize + row) * 2 + parity) * recipe.hiddenSize;
        expect(values.subarray(at, at + 64)).toEqual(onnx.subarray(there, there + 64));
      }
    }
  });

  it('is drawn panel by panel where a matrix is too large to hold, and from any row on, to the same bytes', () => {
    const spec: TensorSpec = {
      ...{ name: 'w', dims: [70, 300], dataType: elementType.float16 },
      fill: { kind: 'uniform', low: -1, high: 1 },
    };
    const order = interleavedRow(20);
    const joined = (from: number, to: number, held?: number) =>
      [...transposedHalves(spec, 1, order, { from, to }, held)].flatMap((half) => [...half]);
    const stored = new Uint16Array(materialise(spec, 1).buffer);
    const whole = Array.from(
      { length: 300 * 70 },
      (_, at) => stored[(at % 70) * 300 + order(Math.floor(at / 70))]!,
    );
    expect(joined(0, 300)).toEqual(whole);
    expect(joined(0, 300, 70 * 7)).toEqual(whole);
    expect(joined(33, 290, 70 * 7)).toEqual(whole.slice(33 * 70, 290 * 70));
  });

  it('is written by several threads, a piece at a time, to the same bytes', async () => {
    const recipe = { ...smallRecipes.qwen3_moe, vocabulary: 1000 };
    const { type, interleaved } = ggufFormatOf(recipe, 'q4');
    const target = { type, interleaved, seed: 1 };
    const tensors = ggufTensors(recipe, target);
    const metadata = ggufMetadata(recipe, 'q4', vocabularyOf(recipe));
    const expected = Buffer.concat([...ggufFile(metadata, tensors)].map((chunk) => Buffer.from(chunk)));
    for (const threads of [1, 2]) {
      const path = join(cacheDirectory, `${threads}.gguf`);
      const told: number[] = [];
      await writePieces(
        path,
        { recipe, target, metadata },
        { threads, pieceElements: 5000, onBytes: (done) => told.push(done) },
      );
      expect(readFileSync(path).equals(expected)).toBe(true);
      expect(told.length).toBeGreaterThan(tensors.length);
      expect(told.toSorted((a, b) => a - b)).toEqual(told);
    }
  });

  it('ends with the error of the thread that could not write, its code kept', async () => {
    const recipe = smallRecipes.llama;
    const target = { type: 'F16', interleaved: true, seed: 1 } as const;
    const metadata = ggufMetadata(recipe, 'fp16', vocabularyOf(recipe));
    const path = join(cacheDirectory, 'gone.gguf');
    const onBytes = () => rmSync(path, { force: true });
    await expect(
      writePieces(path, { recipe, target, metadata }, { threads: 2, pieceElements: 5000, onBytes }),
    ).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('stands in a folder whose tokenizer and config are those of its ONNX folder', async () => {
    const recipe = smallRecipes.qwen2;
    const folder = await buildGguf(recipe, { dtype: 'q4', cacheDirectory });
    expect(readdirSync(folder)).toContain('model.gguf');
    const onnx = await buildModel(recipe, { dtype: 'q4', cacheDirectory });
    for (const name of ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json'])
      expect(readFileSync(join(folder, name), 'utf8')).toBe(readFileSync(join(onnx, name), 'utf8'));
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
    expect(config).toEqual(JSON.parse(JSON.stringify(configOf(recipe))));
    expect(recipeFromConfig(config, 'small').hiddenSize).toBe(recipe.hiddenSize);
    const { tokens } = await readGguf(join(folder, 'model.gguf'));
    const tokenizer = await loadTokenizer(folder);
    const text = 'the price of a token';
    const ids = tokenizer.encode(text);
    expect(ids.map((id) => tokens![id]).join('')).toBe(text.replaceAll(' ', 'Ġ'));
    expect(await builtGgufDirectory(recipe, { dtype: 'q4', cacheDirectory })).toBe(folder);
  });

  it.each<[why: RegExp, recipe: Recipe]>([
    [/qwen2moe does not scale the chosen experts/, qwen2_moe],
    [/qwen2 needs heads that are together as wide/, { ...smallRecipes.qwen2, headDim: 32 }],
    [/olmoe needs an output head of its own/, { ...smallRecipes.olmoe, tiedEmbeddings: true }],
    [/llama has no experts/, { ...smallRecipes.llama, mixture: smallRecipes.mixtral.mixture }],
    [/qwen3 has other norms/, { ...smallRecipes.qwen3, qkNorm: 'none' }],
  ])('is refused where llama.cpp would compute another shape: %s', async (why, recipe) => {
    await expect(buildGguf(recipe, { dtype: 'q4', cacheDirectory })).rejects.toMatchObject({
      code: 'unsupported-architecture',
      message: expect.stringMatching(why),
    });
  });
});

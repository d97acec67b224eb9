import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { bytesOf, flopsOf } from '../../core/cost.js';
import { TokenworkError } from '../../core/errors.js';
import { buildGraph } from '../build/build-graph.js';
import { smallRecipes } from '../build/shapes.test-support.js';
import { deriveCost } from '../cost/derive-cost.js';
import { describeDecoder } from '../decoder-graph.js';
import { loadRecipe } from '../recipe.js';
import { describeGguf } from './describe.js';
import { llamaFields, llamaTensors, writeGguf } from './gguf-file.test-support.js';

const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-gguf-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const at = (name: string) => join(scratch, name);

const step = { batch: 1, newTokens: 128, pastTokens: 0 };

describe('a GGUF model', () => {
  it('costs what TinyLlama 1.1B is known to cost', async () => {
    const recipe = await loadRecipe('tinyllama-1.1b');
    writeGguf(at('tinyllama.gguf'), llamaFields(recipe), llamaTensors(recipe, 'F16'));
    const { costOfAllLogits: cost, dtype } = await describeGguf(at('tinyllama.gguf'));
    // A closed form: ../../../results/README.md. Its 45 norms have 2,048 elements each, in F32.
    expect(dtype).toBe('F16');
    expect(cost.parameters).toBe(1_100_048_384);
    expect(flopsOf(cost, step).matmul).toBe(2 * 133_882_183_680);
    const norms = 45 * 2048;
    const table = 2048 * 32_000;
    expect(bytesOf(cost, step).weights).toBe(
      2 * (1_100_048_384 - table - norms) + 4 * norms + 128 * 2 * 2048,
    );
    // 22 layers of 4 key and 4 value heads of 64, 2 bytes each.
    expect(cost.kvBytesPerToken).toBe(22 * 2 * 4 * 64 * 2);
  });

  it.each(['F16', 'Q8_0', 'Q4_0'] as const)(
    'in %s computes what its shape does, whatever reads it',
    async (dtype) => {
      const recipe = smallRecipes.llama;
      writeGguf(at(`${dtype}.gguf`), llamaFields(recipe), llamaTensors(recipe, dtype));
      const { costOfAllLogits: cost } = await describeGguf(at(`${dtype}.gguf`));
      const graph = buildGraph(recipe, { dtype: 'fp32', graphVariant: 'contrib', seed: 1, weights: false });
      const built = deriveCost(graph, describeDecoder(graph));
      expect(cost.flops).toEqual(built.flops);
      expect(cost.parameters).toBe(built.parameters);
      expect(cost.notCounted).toBeUndefined();
    },
  );

  it('reads the experts that a pass touches, of a mixture', async () => {
    const recipe = smallRecipes.mixtral;
    const { experts, expertSize, expertsPerToken } = recipe.mixture!;
    writeGguf(at('mixture.gguf'), llamaFields(recipe), llamaTensors(recipe, 'Q8_0'));
    const { cost } = await describeGguf(at('mixture.gguf'));
    const bytesPerExpert = (3 * recipe.hiddenSize * expertSize * 34) / 32;
    expect(cost.mixture).toEqual({ layers: recipe.layers, experts, expertsPerToken, bytesPerExpert });
    const read = (distinct: number) => bytesOf(cost, step, distinct).weights;
    expect(read(3) - read(2)).toBe(recipe.layers * bytesPerExpert);
  });

  it('counts a head once that repeats the embedding table, and reads both', async () => {
    const recipe = smallRecipes.llama;
    // All data is zeros, so that the two are alike.
    const stored = llamaTensors(recipe, 'F16');
    writeGguf(at('tied.gguf'), llamaFields(recipe), stored, []);
    const { cost } = await describeGguf(at('tied.gguf'));
    const head = recipe.hiddenSize * recipe.vocabulary;
    const elements = stored.reduce((sum, { shape }) => sum + shape.reduce((all, dim) => all * dim, 1), 0);
    expect(cost.parameters).toBe(elements - head);
    expect(bytesOf(cost, { ...step, newTokens: 1 }).weights).toBeGreaterThan(2 * head);
  });

  it('is read whole from any of its parts', async () => {
    const recipe = smallRecipes.llama;
    const tensors = llamaTensors(recipe, 'F16');
    writeGguf(at('split-00001-of-00002.gguf'), llamaFields(recipe), tensors.slice(0, 5));
    writeGguf(at('split-00002-of-00002.gguf'), { 'split.no': 1 }, tensors.slice(5));
    writeGguf(at('whole.gguf'), llamaFields(recipe), tensors);
    const { cost } = await describeGguf(at('whole.gguf'));
    for (const part of ['00001', '00002']) {
      expect(await describeGguf(at(`split-${part}-of-00002.gguf`))).toMatchObject({ id: 'split', cost });
    }
    rmSync(at('split-00002-of-00002.gguf'));
    await expect(describeGguf(at('split-00001-of-00002.gguf'))).rejects.toMatchObject({
      code: 'gguf-part-missing',
      message: expect.stringContaining('split-00002-of-00002.gguf'),
    });
  });

  it('is not counted where its tensors are not those of its shape', async () => {
    const recipe = smallRecipes.llama;
    const more = { name: 'blk.0.adapter.weight', type: 0, shape: [7], bytes: 28 };
    writeGguf(at('more.gguf'), llamaFields(recipe), [...llamaTensors(recipe, 'F16'), more]);
    const { cost } = await describeGguf(at('more.gguf'));
    expect(cost.notCounted).toMatch(/hold \d+ parameters, and a decoder of its shape has \d+/);
  });
});

describe('what is no GGUF model', () => {
  const recipe = smallRecipes.llama;
  const good = () => {
    writeGguf(at('good.gguf'), llamaFields(recipe), llamaTensors(recipe, 'F16'));
    return readFileSync(at('good.gguf'));
  };
  const changed = (change: (bytes: Buffer) => void) => {
    const bytes = good();
    change(bytes);
    return bytes;
  };

  it.each<[what: string, bytes: () => Buffer, reason: RegExp]>([
    ['an empty file', () => Buffer.alloc(0), /magic/],
    ['another format', () => Buffer.from('PK\u0003\u0004 a zip file, or some such'), /magic/],
    ['a future version', () => changed((bytes) => bytes.writeUInt32LE(9, 4)), /version/],
    ['an absurd count of tensors', () => changed((bytes) => bytes.writeBigUInt64LE(1n << 60n, 8)), /count/],
    ['an absurd count of fields', () => changed((bytes) => bytes.writeBigUInt64LE(1n << 60n, 16)), /count/],
    ['an absurd length of a name', () => changed((bytes) => bytes.writeBigUInt64LE(1n << 60n, 24)), /length/],
    ['a header cut short', () => good().subarray(0, 700), /header ends at byte/],
    ['a file cut short', () => good().subarray(0, -100_000), /ends at byte/],
  ])('%s is refused', async (_what, bytes, reason) => {
    writeFileSync(at('bad.gguf'), bytes());
    await expect(describeGguf(at('bad.gguf'))).rejects.toMatchObject({
      code: 'bad-gguf',
      message: expect.stringMatching(reason),
    });
  });

  it('names a type of tensor that it does not know, and an architecture', async () => {
    const [first, ...rest] = llamaTensors(recipe, 'F16');
    writeGguf(at('type.gguf'), llamaFields(recipe), [{ ...first!, type: 5 }, ...rest]);
    await expect(describeGguf(at('type.gguf'))).rejects.toMatchObject({ code: 'bad-gguf' });
    for (const architecture of ['mamba', 'toString', '__proto__']) {
      writeGguf(at('other.gguf'), { 'general.architecture': architecture }, []);
      await expect(describeGguf(at('other.gguf'))).rejects.toMatchObject({
        code: 'unsupported-architecture',
        message: expect.stringContaining(`"${architecture}"`),
      });
    }
  });

  it.each([
    [{ 'general.architecture': 'llama', 'general.type': 'adapter' }, /adapter \(LoRA\)/],
    [{ 'general.architecture': 'clip' }, /projector/],
  ])('%j is told apart from a model', async (fields, named) => {
    writeGguf(at('part.gguf'), fields, []);
    await expect(describeGguf(at('part.gguf'))).rejects.toMatchObject({
      code: 'not-a-decoder',
      message: expect.stringMatching(named),
    });
  });

  it('is refused with an error of our own, whatever bytes of the header are changed', async () => {
    const bytes = good();
    const place = fc.record({ index: fc.nat(3000), value: fc.nat(255) });
    await fc.assert(
      fc.asyncProperty(fc.array(place, { minLength: 1, maxLength: 4 }), async (places) => {
        const mutated = Buffer.from(bytes);
        for (const { index, value } of places) mutated[index] = value;
        writeFileSync(at('mutated.gguf'), mutated);
        await describeGguf(at('mutated.gguf')).catch((thrown) =>
          expect(thrown).toBeInstanceOf(TokenworkError),
        );
      }),
      { numRuns: 40, seed: 1 },
    );
  }, 60_000);
});

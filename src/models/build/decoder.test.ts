import { describe, expect, it } from 'vitest';
import { listRecipes, parameterCount } from '../recipe.js';
import { buildGraph } from './build-graph.js';
import {
  expectOnDemandAsAll,
  expectStepsAsWhole,
  ids,
  kindsOf,
  recipes,
  tolerance,
} from './decoder-kinds.test-support.js';
import { defaultGraphVariant, graphVariantsOf } from './graph-variant.js';
import { referenceLogits } from './reference.test-support.js';
import { largestDifference, openForTest, widened } from './session.test-support.js';
import { smallRecipes } from './shapes.test-support.js';

/** The others: decoder.slow.test.ts. */
const everyKind = kindsOf(['fp32']);

describe('a built decoder', () => {
  it.each(everyKind)(
    '$architecture, $graphVariant, $dtype: a prompt in steps gives the logits of the whole',
    expectStepsAsWhole,
  );

  it.each(recipes)('$architecture agrees with an independent forward pass at fp32', async (recipe) => {
    for (const graphVariant of graphVariantsOf(recipe)) {
      const model = buildGraph(recipe, { dtype: 'fp32', graphVariant, seed: 3 });
      const run = await openForTest(model, recipe, 'fp32');
      const { row } = await run({ ids: [ids] });
      const expected = referenceLogits(model, recipe, ids);
      for (const [position, logits] of expected.entries()) {
        expect(largestDifference(row(position), logits)).toBeLessThan(1e-4);
      }
    }
  });

  it.each(['int8', 'q4'] as const)(
    '%s products multiply the codes and scales that are stored',
    async (dtype) => {
      for (const recipe of [smallRecipes.llama, smallRecipes.mixtral, smallRecipes.olmoe]) {
        const model = buildGraph(recipe, { dtype, graphVariant: 'contrib', seed: 3 });
        const run = await openForTest(model, recipe, dtype);
        const expected = referenceLogits(model, recipe, ids);
        const { last } = await run({ ids: [ids] });
        expect(largestDifference(last, expected.at(-1)!)).toBeLessThan(tolerance[dtype]);
      }
    },
  );

  it.each(recipes)('$architecture: rows of a batch do not touch each other', async (recipe) => {
    for (const graphVariant of graphVariantsOf(recipe)) {
      const run = await openForTest(
        buildGraph(recipe, { dtype: 'fp32', graphVariant, seed: 1 }),
        recipe,
        'fp32',
      );
      const other = ids.map((id) => id + 1);
      const batch = await run({ ids: [other, ids] });
      const alone = await run({ ids: [ids] });
      expect(largestDifference(batch.row(2 * ids.length - 1), alone.last)).toBeLessThan(tolerance.fp32);
    }
  });

  it.each(everyKind)(
    '$architecture, $graphVariant, $dtype: logits on demand are those of all positions, bit by bit',
    expectOnDemandAsAll,
  );

  it.each(recipes)(
    '$architecture: the contrib graph variant takes a cache with room to grow',
    async (recipe) => {
      const run = await openForTest(
        buildGraph(recipe, { dtype: 'fp32', graphVariant: 'contrib', seed: 1 }),
        recipe,
        'fp32',
      );
      const prompt = await run({ ids: [ids] });
      const exact = await run({ ids: [[9]], cache: prompt.cache });
      const roomy = await run({
        ids: [[9]],
        cache: widened(prompt.cache, 32),
        attentionMask: [new Array<number>(ids.length + 1).fill(1)],
        positions: [[ids.length]],
      });
      expect(roomy.cache['present.0.key']!.dims[2]).toBe(32);
      expect([...roomy.last]).toEqual([...exact.last]);
    },
  );

  it('in the standard graph variant does not see positions the mask hides', async () => {
    const recipe = smallRecipes.llama;
    const run = await openForTest(
      buildGraph(recipe, { dtype: 'fp32', graphVariant: 'standard', seed: 1 }),
      recipe,
      'fp32',
    );
    const alone = await run({ ids: [ids] });
    const padded = await run({
      ids: [[9, 9, 9, ...ids]],
      attentionMask: [[0, 0, 0, ...ids.map(() => 1)]],
      positions: [[1, 1, 1, ...ids.keys()]],
    });
    expect(largestDifference(padded.last, alone.last)).toBeLessThan(tolerance.fp32);
  });

  it.each(recipes)('$architecture: logits have about unit variance', async (recipe) => {
    const run = await openForTest(
      buildGraph(recipe, { dtype: 'q4', graphVariant: 'contrib', seed: 1 }),
      recipe,
      'q4',
    );
    const { last } = await run({ ids: [ids] });
    const variance = last.reduce((sum, logit) => sum + logit ** 2, 0) / last.length;
    expect(variance).toBeGreaterThan(0.5);
    expect(variance).toBeLessThan(2);
  });
});

describe('a graph without weights', () => {
  it('of any shipped recipe holds exactly its parameters', async () => {
    for (const recipe of await listRecipes()) {
      const { graph } = buildGraph(recipe, {
        dtype: 'fp32',
        graphVariant: 'contrib',
        seed: 1,
        weights: false,
      });
      const trained = graph.initializer!.filter(
        ({ dataType, name }) => dataType === 1 && !name!.endsWith('_cache'),
      );
      const parameters = trained.reduce(
        (sum, { dims }) => sum + dims!.reduce((product, dim) => product * dim, 1),
        0,
      );
      expect(parameters, recipe.id).toBe(parameterCount(recipe));
    }
  });

  it('keeps the constants that are part of its logic, and no other data', () => {
    const { graph } = buildGraph(smallRecipes.qwen3, {
      dtype: 'q4',
      graphVariant: 'standard',
      seed: 1,
      weights: false,
    });
    for (const { dataType, rawData } of graph.initializer!) {
      expect(rawData === undefined).toBe(dataType !== 7);
    }
  });
});

describe('a graph variant that cannot express a shape', () => {
  it('is refused by name, with the one that can', () => {
    const options = { dtype: 'fp32', seed: 1, weights: false } as const;
    expect(() => buildGraph(smallRecipes.mixtral, { ...options, graphVariant: 'standard' })).toThrow(
      expect.objectContaining({
        code: 'graph-variant-unsupported',
        hint: 'Build it in the contrib graph variant.',
      }),
    );
    const narrow = { ...smallRecipes.llama, headDim: 8 };
    expect(() => buildGraph(narrow, { ...options, graphVariant: 'contrib' })).toThrow(
      expect.objectContaining({
        code: 'graph-variant-unsupported',
        hint: 'Build it in the standard graph variant.',
      }),
    );
    expect(defaultGraphVariant(narrow)).toBe('standard');
    expect(defaultGraphVariant(smallRecipes.llama)).toBe('contrib');
  });
});

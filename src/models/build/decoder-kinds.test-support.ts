/** Built decoders of every architecture, graph variant and dtype. Imported by tests only. */
import { expect } from 'vitest';
import type { Dtype } from '../dtype.js';
import { buildGraph } from './build-graph.js';
import { graphVariantsOf } from './graph-variant.js';
import { largestDifference, openForTest } from './session.test-support.js';
import { smallRecipes } from './shapes.test-support.js';

export const ids = [5, 77, 123, 99, 42, 7, 200, 8, 15, 16];
export const recipes = Object.values(smallRecipes);
export const kindsOf = (dtypes: readonly Dtype[]) =>
  recipes.flatMap((recipe) =>
    graphVariantsOf(recipe).flatMap((graphVariant) =>
      dtypes.map((dtype) => ({ recipe, architecture: recipe.architecture, graphVariant, dtype })),
    ),
  );
type Kind = ReturnType<typeof kindsOf>[number];

/**
 * Half precision rounds at 2^-11; quantised products round activations to 8 bits, which shifts logits of
 * unit variance by some hundredths.
 */
export const tolerance = { fp32: 2e-5, fp16: 2e-2, int8: 0.15, q4: 0.15 };

/** A prompt in steps gives the logits of the whole. */
export async function expectStepsAsWhole({ recipe, graphVariant, dtype }: Kind): Promise<void> {
  const run = await openForTest(buildGraph(recipe, { dtype, graphVariant, seed: 1 }), recipe, dtype);
  const whole = await run({ ids: [ids] });
  expect(whole.dims).toEqual([1, ids.length, recipe.vocabulary]);
  let step = await run({ ids: [ids.slice(0, 6)] });
  for (const id of ids.slice(6)) step = await run({ ids: [[id]], cache: step.cache });
  expect(largestDifference(step.last, whole.last)).toBeLessThan(tolerance[dtype]);
}

/** Logits on demand are those of all positions, bit by bit. */
export async function expectOnDemandAsAll({ recipe, graphVariant, dtype }: Kind): Promise<void> {
  const rows = [ids, ids.map((id) => id + 1)];
  const all = await openForTest(buildGraph(recipe, { dtype, graphVariant, seed: 1 }), recipe, dtype);
  const asked = { ...recipe, logits: 'on-demand' } as const;
  const onDemand = await openForTest(buildGraph(asked, { dtype, graphVariant, seed: 1 }), recipe, dtype);
  const whole = await all({ ids: rows });
  // The CPU computes fp16 in fp32, and which roundings in between it leaves out hangs on the nodes around.
  const expectSame = (found: Float32Array, expected: Float32Array) =>
    expect(largestDifference(found, expected)).toBeLessThanOrEqual(dtype === 'fp16' ? tolerance.fp16 : 0);
  for (const keep of [0, ids.length, 3, 1]) {
    const kept = await onDemand({ ids: rows, keep });
    const positions = keep === 0 ? ids.length : keep;
    expect(kept.dims).toEqual([rows.length, positions, recipe.vocabulary]);
    for (const row of rows.keys()) {
      for (let position = 0; position < positions; position++) {
        const from = (row + 1) * ids.length - positions + position;
        expectSame(kept.row(row * positions + position), whole.row(from));
      }
    }
    const next = await onDemand({ ids: [[9], [8]], cache: kept.cache, keep: 1 });
    expectSame(next.row(1), (await all({ ids: [[9], [8]], cache: whole.cache })).row(1));
  }
}

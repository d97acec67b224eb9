/**
 * An independent forward pass of BERT for tests, from the formulas of the paper (Devlin et al. 2018), in
 * plain loops and double precision; it shares nothing with the graph but the weights, read by name.
 */
import type { EncoderRecipe } from '../../encoder/recipe.js';
import type { ModelProto } from '../../onnx/proto.js';
import {
  add,
  dot,
  layerNorm,
  readWeights,
  rowsOf,
  scale,
  softmax,
  timesMatrix,
  zeros,
} from '../reference.test-support.js';

type Vector = number[];

/** The hidden state of every position of one text, [positions][hidden]. */
export function referenceHidden(model: ModelProto, recipe: EncoderRecipe, ids: readonly number[]): Vector[] {
  const weights = readWeights(model);
  const { hiddenSize, heads, normEpsilon } = recipe;
  const headDim = hiddenSize / heads;
  const table = (name: string) => rowsOf(weights.get(`embeddings.${name}_embeddings.weight`)!, hiddenSize);
  const dense = (x: Vector, module: string) =>
    add(timesMatrix(x, weights.get(`${module}.weight`)!), weights.get(`${module}.bias`)!);
  const norm = (x: Vector, module: string) =>
    layerNorm(
      x,
      weights.get(`${module}.LayerNorm.weight`)!,
      weights.get(`${module}.LayerNorm.bias`)!,
      normEpsilon,
    );
  const [words, positions, types] = [table('word'), table('position'), table('token_type')];
  let hidden = ids.map((id, position) =>
    norm(add(add(words[id]!, positions[position]!), types[0]!), 'embeddings'),
  );
  for (let layer = 0; layer < recipe.layers; layer++) {
    const at = `encoder.layer.${layer}`;
    const perHead = (name: string) =>
      hidden.map((x) => rowsOf(dense(x, `${at}.attention.self.${name}`), headDim));
    const [queries, keys, values] = [perHead('query'), perHead('key'), perHead('value')];
    const attended = hidden.map((x, position) => {
      const mixed = queries[position]!.flatMap((query, head) => {
        const weightsOfAll = softmax(keys.map((key) => dot(query, key[head]!) / Math.sqrt(headDim)));
        return values.reduce(
          (sum, value, other) => add(sum, scale(value[head]!, weightsOfAll[other]!)),
          zeros(headDim),
        );
      });
      return norm(add(x, dense(mixed, `${at}.attention.output.dense`)), `${at}.attention.output`);
    });
    hidden = attended.map((x) => {
      const inner = dense(x, `${at}.intermediate.dense`).map(gelu);
      return norm(add(x, dense(inner, `${at}.output.dense`)), `${at}.output`);
    });
  }
  return hidden;
}

/** Logits of the classifier on the first position. */
export function referenceLabels(model: ModelProto, recipe: EncoderRecipe, ids: readonly number[]): Vector {
  const weights = readWeights(model);
  const dense = (x: Vector, module: string) =>
    add(timesMatrix(x, weights.get(`${module}.weight`)!), weights.get(`${module}.bias`)!);
  const pooled = dense(referenceHidden(model, recipe, ids)[0]!, 'pooler.dense').map(Math.tanh);
  return dense(pooled, 'classifier');
}

/** x·Φ(x), Φ by the complementary error function's continued fraction of Abramowitz & Stegun 7.1.26. */
function gelu(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * z);
  const series =
    t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const erf = 1 - series * Math.exp(-z * z);
  return (x * (1 + Math.sign(x) * erf)) / 2;
}

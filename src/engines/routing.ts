/**
 * Distinct experts per layer that a step touched, their mean over layers, from `Sequence.routedExperts`;
 * undefined where the graph does not show its router, and the cost model then takes the expectation.
 */
export function distinctExperts(routed: readonly (readonly number[])[] | null): number | undefined {
  if (routed === null || routed.length === 0) return undefined;
  return routed.reduce((sum, experts) => sum + experts.length, 0) / routed.length;
}

/**
 * The experts that a layer's router logits, row-major [tokens, experts], send tokens to: each token to the
 * `perToken` with the largest logits, of equal ones those of the lower id. Ascending.
 */
export function expertsOf(logits: Float32Array, experts: number, perToken: number): number[] {
  const touched = new Uint8Array(experts);
  const chosen = new Int32Array(perToken);
  for (let offset = 0; offset < logits.length; offset += experts) {
    let count = 0;
    for (let expert = 0; expert < experts; expert++) {
      const logit = logits[offset + expert]!;
      let at = count;
      while (at > 0 && logits[offset + chosen[at - 1]!]! < logit) at--;
      if (at >= perToken) continue;
      count = Math.min(count + 1, perToken);
      chosen.copyWithin(at + 1, at, count - 1);
      chosen[at] = expert;
    }
    for (let i = 0; i < count; i++) touched[chosen[i]!] = 1;
  }
  return Array.from(touched.keys()).filter((expert) => touched[expert] === 1);
}

/**
 * Hill's estimate (1975) of the index α of a tail P(X > x) ~ x^−α, from the largest tenth of the values, five at
 * least: k ÷ Σ ln(x₍ᵢ₎/x₍ₖ₊₁₎). Moments of order α and above do not exist. Infinite where those values are
 * equal; `null` for fewer than ten positive values.
 */
export function tailIndex(values: ArrayLike<number>): number | null {
  const sorted = Float64Array.from(values).sort();
  const top = Math.max(5, Math.floor(sorted.length / 10));
  const threshold = sorted[sorted.length - 1 - top];
  if (sorted.length < 10 || !(threshold! > 0)) return null;
  let sum = 0;
  for (let k = sorted.length - top; k < sorted.length; k++) sum += Math.log(sorted[k]! / threshold!);
  return top / sum;
}

/**
 * p-values adjusted by Benjamini & Hochberg (1995): calling those at or below q keeps the expected share of
 * false calls at q, and where nothing differs at all, the chance of any call. `null` stays `null`.
 */
export function adjustPValues(pValues: readonly (number | null)[]): (number | null)[] {
  const order = pValues
    .map((pValue, index) => ({ pValue, index }))
    .filter((entry): entry is { pValue: number; index: number } => entry.pValue !== null)
    .sort((a, b) => b.pValue - a.pValue);
  const adjusted: (number | null)[] = pValues.map(() => null);
  let smallest = 1;
  for (const [fromTop, { pValue, index }] of order.entries()) {
    smallest = Math.min(smallest, (pValue * order.length) / (order.length - fromTop));
    adjusted[index] = smallest;
  }
  return adjusted;
}

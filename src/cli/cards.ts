import { costCard } from '../analysis/card/cost-card.js';
import { findingsOf } from '../analysis/findings.js';
import { resultsByModel } from '../analysis/one-model.js';
import type { Result } from '../core/result.js';
import { printableJson } from '../core/text.js';
import { renderCostCard } from '../report/markdown/cost-card.js';

/** Cost cards of all models of the results, or of the one named: Markdown, or JSON, an array of several. */
export function cardsOf(
  results: readonly Result[],
  { model, json }: { model?: string; json: boolean },
): string {
  const own = results.flatMap((result) => resultsByModel(result, model));
  const drawn = own.map((result) => {
    const findings = findingsOf(result);
    return { result, findings, card: costCard(result, findings) };
  });
  if (json) {
    const cards = drawn.map(({ card }) => card);
    return `${printableJson(cards.length === 1 ? cards[0] : cards, 2)}\n`;
  }
  return drawn.map(({ card, findings, result }) => renderCostCard(card, findings, result)).join('\n---\n\n');
}

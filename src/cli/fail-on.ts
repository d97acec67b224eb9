import { type Budget, isBudget, parseBudget } from '../analysis/budgets/budget.js';
import { checkBudgets } from '../analysis/budgets/check.js';
import { parseThreshold, type Threshold } from '../analysis/compare/fail-on.js';
import { exitCode } from '../core/codes.js';
import { TokenworkError } from '../core/errors.js';
import type { Result } from '../core/result.js';
import { budgetInWords } from '../report/words/budget.js';

/** What `--fail-on` of a comparison names: regressions, and budgets of the candidate. Throws `bad-threshold`. */
export function parseFailOn(texts: readonly string[] = []): { thresholds: Threshold[]; budgets: Budget[] } {
  return {
    thresholds: texts.filter((text) => !isBudget(text)).map(parseThreshold),
    budgets: texts.filter(isBudget).map(parseBudget),
  };
}

/** The budgets of one result, which has nothing to regress from. Throws TokenworkError `bad-threshold`. */
export function parseBudgets(texts: readonly string[] = []): Budget[] {
  const { thresholds, budgets } = parseFailOn(texts);
  if (thresholds.length === 0) return budgets;
  throw new TokenworkError(
    'bad-threshold',
    `A regression such as "${texts.find((text) => !isBudget(text))}" takes two results.`,
    'Use `tokenwork diff` for it, or a budget here: "cpuTime<=20ms/token", "misbilled<=10%".',
  );
}

/**
 * Tells on stderr how each budget was kept, of which result where there are several, and makes the command exit with 1
 * where one was broken. Throws TokenworkError `threshold-untestable`.
 */
export function testBudgets(results: readonly Result[], budgets: readonly Budget[]): void {
  for (const [index, result] of results.entries()) {
    const whose = results.length === 1 ? '' : `Result ${index + 1} of ${results.length}: `;
    for (const outcome of checkBudgets(result, budgets)) {
      process.stderr.write(`${whose}${budgetInWords(outcome)}\n`);
      if (outcome.verdict === 'broken') process.exitCode = exitCode.thresholdCrossed;
    }
  }
}

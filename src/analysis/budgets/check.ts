import { TokenworkError } from '../../core/errors.js';
import { findMetric, isDerived } from '../../core/metrics.js';
import type { Result } from '../../core/result.js';
import { signsOfBusyMachine } from '../compare/busy.js';
import type { Budget } from './budget.js';
import { figuresFor } from './figure.js';

/**
 * A budget held against a result: `broken` and `kept` where the whole 95% interval lies above it or not above it,
 * `open` where the interval holds it, so that it cannot be told.
 */
export interface BudgetOutcome {
  budget: Budget;
  /** Of several models; null where there is one, or the figure is of all. */
  model: string | null;
  metric: string;
  value: number;
  low: number;
  high: number;
  verdict: 'broken' | 'kept' | 'open';
}

/**
 * Holds budgets against a result. Throws TokenworkError `threshold-untestable` where a figure, or its interval, is
 * absent, and where one was broken on a busy or throttled machine, whose requests take longer than they would alone: a
 * budget that is kept there is kept all the more.
 */
export function checkBudgets(result: Result, budgets: readonly Budget[]): BudgetOutcome[] {
  return budgets.flatMap((budget) =>
    figuresFor(result, budget).map(({ model, figure }): BudgetOutcome => {
      if (figure.value === null) throw untestable(budget, figure.reason, figure.hint);
      const { value, low, high, metric } = figure;
      const { atMost } = budget;
      const verdict = low > atMost ? 'broken' : high <= atMost ? 'kept' : 'open';
      if (verdict === 'broken' && budget.of !== 'misbilled' && !isDerived(findMetric(metric)!)) {
        const [sign] = signsOfBusyMachine(result);
        if (sign !== undefined)
          throw untestable(
            budget,
            `the machine was disturbed: ${sign.words}`,
            'Measure again where nothing else runs.',
          );
      }
      return { budget, model, metric, value, low, high, verdict };
    }),
  );
}

function untestable({ text }: Budget, reason: string, hint: string): TokenworkError {
  return new TokenworkError(
    'threshold-untestable',
    `The budget "${text}" cannot be tested: ${reason.replace(/\.$/, '')}.`,
    hint,
  );
}

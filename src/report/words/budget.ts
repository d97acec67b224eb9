import type { BudgetOutcome } from '../../analysis/budgets/check.js';
import { findMetric } from '../../core/metrics.js';
import { capitalized, formatEstimate, inUnit, shares, unitFor } from './format.js';

/** `CPU time per token is 21.3 ms [20.6–22.0 ms], above the budget of 20 ms.` */
export function budgetInWords({ budget, model, metric, value, low, high, verdict }: BudgetOutcome): string {
  const record = findMetric(metric)!;
  const style =
    budget.of === 'misbilled' ? shares : inUnit(unitFor(Math.max(value, budget.atMost), record.scale));
  const what =
    budget.of === 'misbilled'
      ? `The misbilled share by ${record.label}`
      : budget.of.startsWith('per')
        ? `${capitalized(record.label)} ${budget.of}`
        : `The ${budget.of} ${record.label}`;
  const whose = model === null ? what : `${what} of ${model}`;
  const limit = `${style.alone(budget.atMost)}${style.suffix}`;
  const told = {
    broken: `above the budget of ${limit}`,
    kept: `within the budget of ${limit}`,
    open: `which neither breaks nor keeps the budget of ${limit} for sure: its interval holds it; more repetitions would tell`,
  }[verdict];
  return `${whose} is ${formatEstimate({ value, low, high }, style)}, ${told}.`;
}

import { expect, it } from 'vitest';
import { parseBudget } from '../../analysis/budgets/budget.js';
import { budgetInWords } from './budget.js';

it.each([
  [
    'cpuTime<=20ms/token',
    { value: 21.3e6, low: 20.6e6, high: 22e6, verdict: 'broken' as const },
    'CPU time per token is 21.3 ms [20.6–22.0 ms], above the budget of 20 ms.',
  ],
  [
    'ttft<=300ms',
    { metric: 'ttft', value: 0.29e9, low: 0.28e9, high: 0.31e9, verdict: 'open' as const },
    'The median TTFT is 290 ms [280–310 ms], which neither breaks nor keeps the budget of 300 ms for sure: its interval holds it; more repetitions would tell.',
  ],
  [
    'misbilled<=10%',
    { model: null, value: 0.083, low: 0.075, high: 0.09, verdict: 'kept' as const },
    'The misbilled share by CPU time is 8.3% [7.5–9.0%], within the budget of 10%.',
  ],
])('%s in words', (text, outcome, said) => {
  const budget = parseBudget(text);
  expect(budgetInWords({ budget, model: null, metric: 'cpuTime', ...outcome })).toBe(said);
});

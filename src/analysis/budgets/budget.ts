import { didYouMean } from '../../core/did-you-mean.js';
import { TokenworkError } from '../../core/errors.js';
import {
  findMetric,
  type MetricName,
  type MetricRecord,
  metrics,
  type WorkMetric,
} from '../../core/metrics.js';

/** Part of a workload's metric that a budget holds: its mean per request or billed token, its median, its maximum. */
export type BudgetOf = 'per token' | 'per request' | 'median' | 'maximum';

/** `cpuTime<=20ms/token`, `misbilled<=10%`: what a result may not exceed, whatever was measured before. */
export type Budget =
  | { text: string; metric: MetricName; of: BudgetOf /** In the metric's base unit. */; atMost: number }
  | {
      text: string;
      /** `null`: the metric nearest to money that the result has a misbilled share of. */
      metric: WorkMetric | null;
      of: 'misbilled';
      /** A share, 0 to 1. */
      atMost: number;
    };

/** Whether an argument of `--fail-on` is meant as a budget, and not as a regression. */
export const isBudget = (text: string): boolean => text.includes('<');

const misbilled = 'misbilled';
const examples = '"cpuTime<=20ms/token", "ttft<=300ms", "misbilled<=10%"';

/** Reads `METRIC<=VALUE UNIT`. Throws TokenworkError `bad-threshold`, naming the units that the metric has. */
export function parseBudget(text: string): Budget {
  const parts = /^\s*([\w:]+)\s*<=\s*(\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*(\S*)\s*$/i.exec(text);
  if (parts === null)
    throw bad(`"${text}" is no budget.`, `Write a metric, <= and a value with its unit: ${examples}.`);
  const [, name, value, unit] = parts as unknown as [string, string, string, string];
  const [kind, metricName] = name.split(':') as [string, string | undefined];
  if (kind === misbilled) return misbilledBudget(text, metricName, { value: Number(value), unit });
  const metric = findMetric(name);
  if (metric === undefined) {
    const names = [...metrics.map((one) => one.name), misbilled];
    throw bad(
      `No metric is called "${name}".`,
      `${didYouMean(name, names)} There are: ${names.join(', ')}.`.trim(),
    );
  }
  const of = unitsOf(metric).get(unit.replace(/^us\b/, 'µs'));
  if (of === undefined) {
    const allowed = [...unitsOf(metric).keys()].join(', ');
    throw bad(
      unit === '' ? `The budget "${text}" has no unit.` : `"${unit}" is no unit of a budget on ${name}.`,
      `Use one of ${allowed}.`,
    );
  }
  return { text: text.trim(), metric: metric.name as MetricName, of: of.of, atMost: Number(value) * of.per };
}

function misbilledBudget(
  text: string,
  metric: string | undefined,
  { value, unit }: { value: number; unit: string },
): Budget {
  const shared = metrics.filter(({ kind, addsUp }) => kind === 'work' && addsUp.noTotal === null);
  const names = shared.map(({ name }) => name as string);
  if (metric !== undefined && !names.includes(metric))
    throw bad(
      `No bill can be held against "${metric}".`,
      `${didYouMean(metric, names)} Use misbilled:METRIC of ${names.join(', ')}, or misbilled alone.`.trim(),
    );
  if (unit !== '%')
    throw bad(`A misbilled share is given in %, and not in "${unit}".`, 'Write misbilled<=10%.');
  return {
    text: text.trim(),
    metric: (metric as WorkMetric | undefined) ?? null,
    of: misbilled,
    atMost: value / 100,
  };
}

/**
 * The units of budgets on a metric, with what each is of. What adds up over requests is held per request or billed
 * token; a latency by its median; memory, which requests hold one after the other, by the most that one held.
 */
function unitsOf({ kind, scale, addsUp, spent }: MetricRecord): Map<string, { of: BudgetOf; per: number }> {
  if (kind === 'work' && addsUp.noTotal === null)
    return new Map(
      (['token', 'request'] as const).flatMap((per) =>
        scale.map((unit) => [`${unit.name}/${per}`, { of: `per ${per}`, per: unit.per }] as const),
      ),
    );
  const of = spent ? 'median' : 'maximum';
  return new Map(scale.map((unit) => [unit.name, { of, per: unit.per }]));
}

function bad(message: string, hint: string): TokenworkError {
  return new TokenworkError('bad-threshold', message, hint);
}

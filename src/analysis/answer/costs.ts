import { metricOf, type WorkMetric } from '../../core/metrics.js';
import { isOk, type Result } from '../../core/result.js';
import { billedTokens } from '../request-metrics.js';

/** What a model's requests cost by one metric, in its base unit. */
export interface Cost {
  metric: WorkMetric;
  unit: string;
  /** All work ÷ all requests: the mean request of the workload. */
  perRequest: number;
  /** 1,000 × all work ÷ all billed tokens: what one price per token would be. */
  perThousandTokens: number;
  /** The same of the cell that is cheapest per token, and of the dearest. */
  cheapest: number;
  dearest: number;
}

const told = ['cpuTime', 'gpuTime', 'energy'] as const;

/** Costs of one model's requests by CPU time, GPU time and energy, of those that were measured and are not 0. */
export function costsOf({ cells, requests, metrics }: Result, model: string): Cost[] {
  const own = new Set(cells.flatMap((cell) => (cell.model === model ? [cell.id] : [])));
  const rows = requests.filter(isOk).filter(({ cell }) => own.has(cell));
  return told.flatMap((metric): Cost[] => {
    const byCell = new Map<string, { work: number; tokens: number; requests: number }>();
    for (const request of rows) {
      const work = metricOf(metric).ofRequest(request, 1);
      if (work === null) continue;
      const sums = byCell.get(request.cell) ?? { work: 0, tokens: 0, requests: 0 };
      sums.work += work;
      sums.tokens += billedTokens(request);
      sums.requests++;
      byCell.set(request.cell, sums);
    }
    const sums = [...byCell.values()].filter(({ tokens }) => tokens > 0);
    const total = (of: 'work' | 'tokens' | 'requests') => sums.reduce((sum, cell) => sum + cell[of], 0);
    if (total('work') === 0) return [];
    const perThousand = sums.map(({ work, tokens }) => (1000 * work) / tokens);
    return [
      {
        metric,
        unit: metrics[metric]?.unit ?? metricOf(metric).unit,
        perRequest: total('work') / total('requests'),
        perThousandTokens: (1000 * total('work')) / total('tokens'),
        cheapest: perThousand.reduce((least, cost) => Math.min(least, cost)),
        dearest: perThousand.reduce((most, cost) => Math.max(most, cost)),
      },
    ];
  });
}

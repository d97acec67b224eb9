import type { OkRequest, Result } from '../../core/result.js';
import { workSchema } from '../../core/work.js';
import { endToEndNs, timePerOutputToken, timeToFirstTokenNs } from '../request-metrics.js';

/** A figure of a request by which two results are compared; less is better for all of them. */
export interface ComparedMetric {
  name: string;
  unit: string;
  /** Computed and not measured: a difference needs no test. */
  derived: boolean;
  /** `null` where the request did not measure it; `batch` is the number of rows it ran side by side. */
  of(request: OkRequest, batch: number): number | null;
}

/** How many rows the requests of each of a result's cells run side by side. */
export function batchByCell({ cells }: Result): Map<string, number> {
  return new Map(cells.map(({ id, factors: { batch } }) => [id, typeof batch === 'number' ? batch : 1]));
}

const latencies: readonly ComparedMetric[] = [
  { name: 'ttft', unit: 'ns', derived: false, of: (request) => timeToFirstTokenNs(request, 'submitted') },
  {
    name: 'tpot',
    unit: 'ns',
    derived: false,
    of: (request, batch) => timePerOutputToken(request, batch).value,
  },
  { name: 'e2e', unit: 'ns', derived: false, of: (request) => endToEndNs(request, 'submitted') },
];

const workNames = Object.keys(workSchema.shape) as (keyof OkRequest['work'])[];

/** Every name that a comparison or a threshold may use. */
export const comparedMetricNames: readonly string[] = [...latencies.map(({ name }) => name), ...workNames];

/** Latency and work, as both results measure them. */
export function comparedMetrics(baseline: Result, candidate: Result): ComparedMetric[] {
  const work = workNames.map((name): ComparedMetric => {
    const about = [baseline.metrics[name], candidate.metrics[name]];
    return {
      name,
      unit: about[0]?.unit ?? about[1]?.unit ?? '',
      derived: about.every((metric) => metric?.provenance === 'derived'),
      of: (request) => request.work[name],
    };
  });
  return [...latencies, ...work];
}

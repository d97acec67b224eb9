import type { WorkMetric } from '../core/metrics.js';
import type { Metric } from '../core/work.js';
import type { LoadedWorker, SensorState } from './workers/protocol.js';

/**
 * The table of metrics: unit, provenance and method of every kind of work, as the workers of
 * this run measure them.
 */
export function metricsTable({ models, peakMemory }: LoadedWorker): Record<WorkMetric, Metric> {
  const cpuTimes = models.map(({ cpuTime }) => cpuTime);
  // Models open alike; where one cannot be measured, its rows are null and the metric says why.
  const cpuTime = cpuTimes.find((state) => !('method' in state)) ?? cpuTimes[0]!;
  // Where something is sampled, folding the journal replaces these.
  const unsampled = (unit: string): Metric => ({
    unit,
    provenance: 'unavailable',
    method: 'none',
    reason: 'not-applicable',
    hint: 'No sensor was sampled in this run.',
  });
  return {
    cpuTime: measured('ns', cpuTime),
    gpuTime: unsampled('ns'),
    energy: unsampled('J'),
    peakMemory: measured('B', peakMemory),
    kvBytes: derived('B', 'cached positions × bytes per position, from the shape and dtype of the cache'),
    kvByteSeconds: derived(
      'B·s',
      'KV bytes held, those of a step from its start on, integrated over the request',
    ),
    flops: derived(
      'FLOP',
      'matrix products of the graph, 1 multiply-add = 2 FLOP, full attention rectangle; summed over prefill and every decode step',
    ),
    bytesMoved: derived(
      'B',
      'weights and KV read, KV written, activations of the graph, summed over prefill and every decode step; positions copied from and to a prefix cache, read and written',
    ),
  };
}

function derived(unit: string, method: string): Metric {
  return { unit, provenance: 'derived', method, reason: null, hint: null };
}

function measured(unit: string, state: SensorState): Metric {
  if ('method' in state) {
    return {
      unit,
      provenance: 'measured',
      method: state.method,
      reason: null,
      hint: null,
    };
  }
  const { reason, hint } = state;
  return { unit, provenance: 'unavailable', method: 'none', reason, hint };
}

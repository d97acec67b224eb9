import type { CostModel } from '../../core/cost.js';
import type { Ceilings } from '../../core/result.js';
import type { Nanoseconds } from '../../core/units.js';
import { plainChat } from '../../stages/pipeline.js';
import type { RequestSpec } from '../../stages/request-spec.js';
import { costOfSteps, singleTokenSteps } from '../../stages/step-costs.js';
import { contextPositions } from '../../workload/pipelines/variants.js';

export interface Rates {
  flopPerSecond: number;
  bytesPerSecond: number;
}

/** The rates assumed where a machine's ceilings are not known: those of a slow one. */
const slowMachine: Rates = { flopPerSecond: 1e10, bytesPerSecond: 1e9 };

export function ratesOf(ceilings: Ceilings | null): Rates {
  const gemm = Object.values(ceilings?.gemm ?? {}).map(({ value }) => value);
  return {
    flopPerSecond: gemm.length > 0 ? Math.min(...gemm) : slowMachine.flopPerSecond,
    bytesPerSecond: ceilings?.memoryBandwidth?.value ?? slowMachine.bytesPerSecond,
  };
}

/** Roofline time of a request and of its prefill: what it takes at the least. Only expected, never reported. */
export function expectedTime(
  request: RequestSpec,
  cost: CostModel,
  rates: Rates,
): { requestNs: Nanoseconds; prefillNs: Nanoseconds } {
  const { batch, completionTokens, prompt, pipeline = plainChat } = request;
  // Before it is tokenized, a text has no more tokens than bytes.
  const ownTokens = prompt.kind === 'synthetic' ? prompt.tokens : Buffer.byteLength(prompt.text);
  // What a pipeline puts before the completion counts as if it were prompt.
  const promptTokens = contextPositions(pipeline, ownTokens, completionTokens) - completionTokens;
  const rooflineNs = (steps: Parameters<typeof costOfSteps>[1]) => {
    const { flops, memoryTraffic } = costOfSteps(cost, steps);
    return 1e9 * Math.max(flops / rates.flopPerSecond, memoryTraffic / rates.bytesPerSecond);
  };
  const prefillNs = rooflineNs([{ batch, newTokens: promptTokens, pastTokens: 0 }]);
  const decodeNs = rooflineNs(singleTokenSteps(batch, promptTokens, completionTokens - 1));
  return { requestNs: prefillNs + decodeNs, prefillNs };
}

/**
 * How long a request may go without finishing a step before it counts as hung: a minute, and a hundred
 * times what its longest step takes at the least. Generous, because ending a worker that merely was slow
 * costs a measurement, and waiting for a hung one costs only time.
 */
export function stallTimeoutMs(prefillNs: Nanoseconds): number {
  return 60_000 + (100 * prefillNs) / 1e6;
}

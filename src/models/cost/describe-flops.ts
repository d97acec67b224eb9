import type { Warning } from '../../core/codes.js';
import type { StepShape } from '../../core/cost.js';
import { type ByteCount, bytesOf, type CostModel, type FlopCount, flopsOf } from '../../core/cost.js';
import { TokenworkError } from '../../core/errors.js';
import type { DecoderGraph } from '../decoder-graph.js';
import type { EncoderGraph } from '../encoder/graph.js';
import type { ModelProto } from '../onnx/proto.js';
import { countGraph, type InputShapes, type InputValues, passBytes } from './count-graph.js';
import { countDecoder, countEncoder, type PassCount } from './derive-cost.js';
import { countParameters } from './parameters.js';
import type { OpTypeCount } from './tally.js';

/** The output of `tokenwork flops --json`: one forward pass. */
export interface FlopsReport {
  model: string;
  flops: FlopCount;
  bytes: ByteCount;
  parameters: number;
  unknownOps: string[];
  warnings: Warning[];
  /** Why the counts are not what a pass costs, in words; null where they are. */
  notCounted: string | null;
  /** Costs by operator, costliest first. */
  byOpType: Record<string, OpTypeCount>;
}

export interface DecoderFlopsReport extends FlopsReport {
  batch: number;
  promptTokens: number;
  pastTokens: number;
  kvBytesPerToken: number;
}

/** A decoder with its derived cost. */
export interface CountedDecoder {
  id: string;
  graph: ModelProto;
  decoder: DecoderGraph;
  cost: CostModel;
}

/** One pass of `step.newTokens` positions after `step.pastTokens`. Throws TokenworkError `bad-step` for nonsense. */
export function describeDecoderFlops(model: CountedDecoder, step: StepShape): DecoderFlopsReport {
  checkStep(step);
  return describePass(model, step, countDecoder(model.graph, model.decoder, step));
}

/** An encoder with its derived cost. */
export interface CountedEncoder {
  id: string;
  graph: ModelProto;
  encoder: EncoderGraph;
  cost: CostModel;
}

/** One pass of an encoder over `step.newTokens` positions. Throws TokenworkError `bad-step` for nonsense. */
export function describeEncoderFlops(model: CountedEncoder, step: StepShape): DecoderFlopsReport {
  checkStep(step);
  if (step.pastTokens > 0)
    throw new TokenworkError(
      'bad-step',
      `${model.id} is an encoder: it keeps no cache, so there are no ${step.pastTokens} past tokens.`,
      'Leave --past-tokens out.',
    );
  return describePass(model, step, countEncoder(model.graph, model.encoder, step));
}

function describePass(
  { id, cost }: { id: string; cost: CostModel },
  step: StepShape,
  { tally, unknownOps, warnings, notCounted }: PassCount,
): DecoderFlopsReport {
  // A count in part need not have the form of the polynomials, nor one behind a sliding window.
  const { slidingWindow = Number.POSITIVE_INFINITY } = cost;
  const exact = cost.notCounted === undefined && step.pastTokens + step.newTokens <= slidingWindow;
  return {
    model: id,
    batch: step.batch,
    promptTokens: step.newTokens,
    pastTokens: step.pastTokens,
    flops: exact ? flopsOf(cost, step) : tally.flops,
    bytes: exact ? bytesOf(cost, step) : passBytes(tally),
    parameters: cost.parameters,
    kvBytesPerToken: cost.kvBytesPerToken,
    unknownOps,
    warnings,
    notCounted: notCounted ?? cost.notCounted ?? null,
    byOpType: costliestFirst(tally.byOpType),
  };
}

/** One pass through any ONNX graph; throws as `countGraph` does. */
export function describeGraphFlops(
  model: { id: string; graph: ModelProto },
  shapes: InputShapes,
  values?: InputValues,
): FlopsReport {
  const { flops, bytes, unknownOps, warnings, notCounted, byOpType } = countGraph(
    model.graph,
    shapes,
    values,
  );
  return {
    model: model.id,
    flops,
    bytes,
    parameters: countParameters(model.graph),
    unknownOps,
    warnings,
    notCounted,
    byOpType: costliestFirst(Object.entries(byOpType)),
  };
}

function checkStep(step: StepShape): void {
  const { batch, newTokens, pastTokens } = step;
  const sound = [batch, newTokens, pastTokens].every(Number.isSafeInteger) && batch >= 1 && newTokens >= 1;
  if (sound && pastTokens >= 0) return;
  throw new TokenworkError(
    'bad-step',
    `A pass of batch ${batch}, ${newTokens} prompt and ${pastTokens} past tokens cannot be counted.`,
    'Give whole numbers: a batch and prompt of 1 or more, a past of 0 or more.',
  );
}

function costliestFirst(entries: Iterable<[string, OpTypeCount]>): Record<string, OpTypeCount> {
  const cost = (entry: OpTypeCount) => entry.matmul + entry.elementwise;
  return Object.fromEntries([...entries].sort(([, a], [, b]) => cost(b) - cost(a) || b.bytes - a.bytes));
}

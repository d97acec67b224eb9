import type { Stage } from '../core/result.js';
import type { WorkMetric } from '../core/work.js';
import { fitLinear } from '../stats/least-squares.js';
import { quantile } from '../stats/quantile.js';
import type { Observations } from './observations.js';
import type { PlainToken } from './plain-token.js';

/** What a stage of the pipeline adds to requests, in effective tokens. */
export interface StageEffect {
  name: string;
  /** Whether its work moves a field of `usage`: in all requests, in none, or in some. */
  visibility: 'full' | 'partial' | 'none';
  /** The metric in which it was weighed; `null` with a `reason`. */
  metric: WorkMetric | null;
  /** What it costs before its first token: the intercept of effective on processed tokens, at least 0. */
  fixedEffectiveTokens: number | null;
  /** 5th and 95th percentile over requests. */
  rangeEffectiveTokens: [number, number] | null;
  /** Its share of all stages' work. */
  shareOfWork: number | null;
  reason?: string;
}

/** In which order metrics are asked for a plain token: what the machine spent, before what was counted. */
const preference: readonly WorkMetric[] = ['gpuTime', 'cpuTime', 'energy', 'flops', 'bytesMoved'];

export function stageEffects(
  observations: Observations,
  plainTokens: Partial<Record<WorkMetric, PlainToken>>,
): StageEffect[] {
  const metric = preference.find((name) => Object.keys(plainTokens[name]?.byModel ?? {}).length > 0);
  const collected = new Map<string, Collected>();
  for (const [i, row] of observations.rows.entries()) {
    const { model } = observations.cells[observations.cell[i]!]!;
    const plain = metric && plainTokens[metric]!.byModel[model]?.value;
    for (const stage of row.stages) {
      const collection = collected.get(stage.name) ?? { visible: 0, seen: 0, tokens: [], effective: [] };
      collected.set(stage.name, collection);
      addTo(collection, stage, metric, plain);
    }
  }
  const effects = [...collected].map(([name, collection]) => effectOf(name, collection, metric ?? null));
  const total = effects.reduce((sum, { effective }) => sum + effective, 0);
  return effects.map(({ effect, effective }) => ({
    ...effect,
    shareOfWork: effect.rangeEffectiveTokens === null || total === 0 ? null : effective / total,
  }));
}

interface Collected {
  seen: number;
  visible: number;
  tokens: number[];
  effective: number[];
}

function addTo(collection: Collected, stage: Stage, metric: WorkMetric | undefined, plain?: number): void {
  collection.seen++;
  if (stage.visible) collection.visible++;
  const work = metric && stage.work[metric];
  if (plain === undefined || work === undefined || work === null) return;
  collection.tokens.push(stage.tokens);
  collection.effective.push(work / plain);
}

function effectOf(
  name: string,
  { seen, visible, tokens, effective }: Collected,
  metric: WorkMetric | null,
): { effect: Omit<StageEffect, 'shareOfWork'>; effective: number } {
  const visibility = visible === seen ? 'full' : visible === 0 ? 'none' : 'partial';
  if (effective.length === 0) {
    const reason =
      metric === null ? 'the run has no plain token to weigh it by' : `its ${metric} was not measured`;
    const nothing = { metric: null, fixedEffectiveTokens: null, rangeEffectiveTokens: null, reason };
    return { effect: { name, visibility, ...nothing }, effective: 0 };
  }
  const range: [number, number] = [quantile(effective, 0.05)!, quantile(effective, 0.95)!];
  const fixedEffectiveTokens = fixedPart(tokens, effective);
  return {
    effect: { name, visibility, metric, fixedEffectiveTokens, rangeEffectiveTokens: range },
    effective: effective.reduce((sum, value) => sum + value, 0),
  };
}

/** The intercept of a line with neither intercept nor slope below 0; the mean where tokens do not vary. */
function fixedPart(tokens: readonly number[], effective: readonly number[]): number {
  const mean = effective.reduce((sum, value) => sum + value, 0) / effective.length;
  const fit = fitLinear([new Float64Array(tokens.length).fill(1), tokens], effective);
  if (fit === null || fit.coefficients[1]! < 0) return mean;
  return Math.max(0, fit.coefficients[0]!);
}

import type { WorkMetric } from '../../core/metrics.js';
import type { OkRequest } from '../../core/result.js';
import { sum } from '../../stats/sum.js';
import type { PlainToken } from '../plain-token.js';
import type { Observations } from '../uniformity/observations.js';
import { type StageColumns, stageColumns, stageWork } from './columns.js';
import { type Visibility, visibilityOf, visibleShare } from './visibility.js';

/** From what a request is billed to what it is worth, stage by stage; means over the requests of a cell. */
export interface Waterfall {
  /** A cell's id, or what the requests have in common. */
  of: string;
  metric: WorkMetric;
  requests: number;
  /** Prompt + completion tokens. */
  billed: number;
  /** Work ÷ plain token; `null` with a `reason`. */
  effective: number | null;
  stages: WaterfallStage[];
  /** Effective tokens of the request's work that stand in no stage; `null` where stages were not measured. */
  inNoStage: number | null;
  reason?: string;
}

interface WaterfallStage {
  name: string;
  /** The component it belongs to, in words. */
  component: string;
  /** Positions that a model evaluated in it. */
  processed: number;
  /** Billed tokens. */
  billed: number;
  effective: number | null;
  visibility: Visibility | null;
}

export interface WaterfallOptions {
  of: string;
  metric: WorkMetric;
  /** Work per plain token of the requests' model, in the metric's unit; `null` where the run has none. */
  plainToken: number | null;
  /** A stage's visibility as seen over a whole run; from these requests alone where absent. */
  visibility?: ReadonlyMap<string, Visibility | null>;
}

/** The waterfall of requests of one model that are alike: one cell, or one request. */
export function waterfallOf(rows: readonly OkRequest[], options: WaterfallOptions): Waterfall {
  return waterfallFrom(stageColumns(rows), options);
}

function waterfallFrom(columns: StageColumns, options: WaterfallOptions): Waterfall {
  const { of, metric, plainToken, visibility } = options;
  const { rows } = columns;
  const works = stageWork(columns, metric);
  const seen = visibility ?? visibilityByStage(columns, metric);
  const effective = (work: number) =>
    plainToken === null || Number.isNaN(work) ? null : work / rows.length / plainToken;

  let [total, billed] = [0, 0];
  for (const { work, tokens } of rows) {
    total += work[metric] ?? Number.NaN;
    billed += tokens.prompt + tokens.completion;
  }
  const workOf = works.map(({ work }) => sum(work));
  const staged = workOf.reduce((total, own) => total + own, 0);
  const stages = columns.stages.map(({ name, component, positions, fresh, cached }, s) => ({
    name,
    component,
    processed: sum(positions) / rows.length,
    billed: (sum(fresh) + sum(cached)) / rows.length,
    effective: effective(workOf[s]!),
    visibility: seen.get(name) ?? null,
  }));
  const why = reason(rows, plainToken, total);
  return {
    of,
    metric,
    requests: rows.length,
    billed: rows.length === 0 ? 0 : billed / rows.length,
    effective: rows.length === 0 ? null : effective(total),
    stages,
    inNoStage: rows.length === 0 ? null : effective(total - staged),
    ...(why !== null && { reason: why }),
  };
}

/** Of more cells than this only the mean request is drawn. */
const cellsDrawn = 100;

/** The waterfall of each model's mean request, then of each cell where there are at most a hundred. */
export function waterfallsOf(
  { cells, cell, models, modelOfCell }: Observations,
  columns: StageColumns,
  metric: WorkMetric,
  plainToken: PlainToken,
  visibility: ReadonlyMap<string, Visibility | null>,
): Waterfall[] {
  const { rows } = columns;
  const grouped = (keys: number, key: (request: number) => number) => {
    const groups: OkRequest[][] = Array.from({ length: keys }, () => []);
    for (const [i, row] of rows.entries()) groups[key(i)]!.push(row);
    return groups;
  };
  const draw = (own: StageColumns, of: string, model: string) =>
    waterfallFrom(own, { of, metric, plainToken: plainToken.byModel[model]?.value ?? null, visibility });
  const drawRows = (own: OkRequest[], of: string, model: string) =>
    own.length === 0 ? [] : [draw(stageColumns(own), of, model)];
  const ofModels =
    models.length === 1
      ? [draw(columns, 'the mean request', models[0]!)]
      : grouped(models.length, (i) => modelOfCell[cell[i]!]!).flatMap((own, m) =>
          drawRows(own, `the mean request of ${models[m]}`, models[m]!),
        );
  if (cells.length > cellsDrawn) return ofModels;
  const ofCells = grouped(cells.length, (i) => cell[i]!).flatMap((own, c) =>
    drawRows(own, cells[c]!.id, cells[c]!.model),
  );
  return [...ofModels, ...ofCells];
}

function reason(rows: readonly OkRequest[], plainToken: number | null, total: number): string | null {
  if (rows.length === 0) return 'no request succeeded';
  if (Number.isNaN(total)) return 'it was not measured in every request';
  return plainToken === null ? 'the run has no plain token to weigh it by' : null;
}

function visibilityByStage(columns: StageColumns, metric: WorkMetric): Map<string, Visibility | null> {
  const works = stageWork(columns, metric);
  return new Map(
    columns.stages.map((column, s) => {
      const share = visibleShare(column, works[s]!, { count: 1, of: () => 0 });
      return [column.name, share === null ? null : visibilityOf(share)];
    }),
  );
}

/** A bar of the waterfall: it floats from one level of tokens to another. */
export interface WaterfallStep {
  label: string;
  kind: 'billed' | 'stage' | 'rest' | 'effective';
  from: number;
  to: number;
  stage: WaterfallStage | null;
}

/** Of the whole, below which work in no stage is rounding and gets no bar. */
const negligible = 0.001;

/**
 * The bars in order: the billed tokens, then by how much each stage is worth more (or less) than it is
 * billed, and last the effective tokens, where the steps end. `null` where something was not measured.
 */
export function waterfallSteps({ billed, effective, stages, inNoStage }: Waterfall): WaterfallStep[] | null {
  if (effective === null || inNoStage === null) return null;
  const steps: WaterfallStep[] = [{ label: 'billed', kind: 'billed', from: 0, to: billed, stage: null }];
  let level = billed;
  for (const stage of stages) {
    if (stage.effective === null) return null;
    const to = level + stage.effective - stage.billed;
    steps.push({ label: stage.name, kind: 'stage', from: level, to, stage });
    level = to;
  }
  if (Math.abs(effective - level) > negligible * effective) {
    steps.push({ label: 'in no stage', kind: 'rest', from: level, to: effective, stage: null });
  }
  return [...steps, { label: 'effective', kind: 'effective', from: 0, to: effective, stage: null }];
}

import type { WorkMetric } from '../../core/metrics.js';
import { sum } from '../../stats/sum.js';
import type { PlainToken } from '../plain-token.js';
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
export function waterfallOf(columns: StageColumns, options: WaterfallOptions): Waterfall {
  const { of, metric, plainToken, visibility } = options;
  const { table, requests } = columns;
  const size = requests.length;
  const works = stageWork(columns, metric);
  const seen = visibility ?? visibilityByStage(columns, metric);
  const effective = (work: number) =>
    plainToken === null || Number.isNaN(work) ? null : work / size / plainToken;

  let [total, billed] = [0, 0];
  for (const i of requests) {
    total += table.metrics[metric][i]!;
    billed += table.promptTokens[i]! + table.completionTokens[i]!;
  }
  const workOf = works.map(({ work }) => sum(work));
  const staged = workOf.reduce((total, own) => total + own, 0);
  const stages = columns.stages.map(({ name, component, positions, fresh, cached }, s) => ({
    name,
    component,
    processed: sum(positions) / size,
    billed: (sum(fresh) + sum(cached)) / size,
    effective: effective(workOf[s]!),
    visibility: seen.get(name) ?? null,
  }));
  const why = reason(size, plainToken, total);
  return {
    of,
    metric,
    requests: size,
    billed: size === 0 ? 0 : billed / size,
    effective: size === 0 ? null : effective(total),
    stages,
    inNoStage: size === 0 ? null : effective(total - staged),
    ...(why !== null && { reason: why }),
  };
}

/** Cells beyond which only the mean request is drawn. */
const cellsDrawn = 100;

/** The waterfall of each model's mean request, then of each cell where there are at most a hundred. */
export function waterfallsOf(
  columns: StageColumns,
  metric: WorkMetric,
  plainToken: PlainToken,
  visibility: ReadonlyMap<string, Visibility | null>,
): Waterfall[] {
  const { table } = columns;
  const { cells, cell, models, modelOfCell } = table;
  const grouped = (keys: number, key: (request: number) => number) => {
    const groups: number[][] = Array.from({ length: keys }, () => []);
    for (let i = 0; i < table.size; i++) groups[key(i)]!.push(i);
    return groups;
  };
  const draw = (own: StageColumns, of: string, model: string) =>
    waterfallOf(own, { of, metric, plainToken: plainToken.byModel[model]?.value ?? null, visibility });
  const drawSome = (own: number[], of: string, model: string) =>
    own.length === 0 ? [] : [draw(stageColumns(table, Uint32Array.from(own)), of, model)];
  const ofModels =
    models.length === 1
      ? [draw(columns, 'the mean request', models[0]!)]
      : grouped(models.length, (i) => modelOfCell[cell[i]!]!).flatMap((own, m) =>
          drawSome(own, `the mean request of ${models[m]}`, models[m]!),
        );
  if (cells.length > cellsDrawn) return ofModels;
  const ofCells = grouped(cells.length, (i) => cell[i]!).flatMap((own, c) =>
    drawSome(own, cells[c]!.id, cells[c]!.model),
  );
  return [...ofModels, ...ofCells];
}

function reason(requests: number, plainToken: number | null, total: number): string | null {
  if (requests === 0) return 'no request succeeded';
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

/** Share of the whole below which work in no stage is rounding and gets no bar. */
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

import type { WorkMetric } from '../../core/metrics.js';
import { sum } from '../../stats/sum.js';
import type { PlainToken } from '../plain-token.js';
import type { RequestTable } from '../requests/request-table.js';
import type { CellTotals } from '../uniformity/cell-totals.js';
import type { UniformityOptions } from '../uniformity/uniformity.js';
import type { Noise } from '../uniformity/within-cell-noise.js';
import { type StageColumns, type StageWork, stageWork } from './columns.js';
import type { Component } from './components.js';
import { type StageWeight, weightsOf } from './effects.js';
import { type HiddenWork, hiddenWorkOf } from './hidden-work.js';
import { type Misbilling, stageMisbilling } from './misbilling.js';

/** Findings of a run's stages on one metric. */
export interface StageFindings {
  weights: StageWeight[];
  /** The same of the components that the stages belong to. */
  componentWeights: StageWeight[];
  hiddenWork: HiddenWork & {
    /** The share of all stages' work that moves a field of `usage`: their visible shares, by their work. */
    visibilityScore: number | null;
    /** Each stage's effect on the misbilled share; `null` with a reason. */
    misbilling: Misbilling | null;
    misbillingReason?: string;
  };
}

/** Requests beyond which the misbilled share is taken apart by the leading metrics only. */
const mostTakenApart = 10_000;

/** `null` where no stage measured the metric. */
export function stageFindings(
  metric: WorkMetric,
  {
    table,
    columns,
    components,
    work,
    plainToken,
    noiseOf,
    exact,
    leading,
    options,
  }: {
    table: RequestTable;
    columns: StageColumns;
    components: readonly Component[];
    /** The requests' work. */
    work: Float64Array;
    plainToken: PlainToken;
    noiseOf: (totals: CellTotals, work: Float64Array) => Noise | null;
    /** Computed, so that repetitions do not differ. */
    exact: boolean;
    /** Whether this is the metric that the result is about. */
    leading: boolean;
    options: UniformityOptions;
  },
): StageFindings | null {
  const works = stageWork(columns, metric);
  if (!works.some(isMeasured)) return null;
  const { stages: weights, components: componentWeights } = weightsOf({
    table,
    stages: columns.stages,
    works,
    components,
    work,
    plainToken,
    design: options.design,
  });
  const visible = weights.reduce(
    (total, { visibleShare, shareOfWork }) => total + (visibleShare ?? 0) * (shareOfWork ?? 0),
    0,
  );
  const whole = works.every(({ work: own }) => !Number.isNaN(sum(own)));
  const few = leading || work.length <= mostTakenApart;
  return {
    weights,
    componentWeights,
    hiddenWork: {
      ...hiddenWorkOf(table, works, { design: options.design, exact }),
      visibilityScore: weights.some(({ shareOfWork }) => shareOfWork !== null) ? visible : null,
      misbilling: whole && few ? stageMisbilling(table, columns, works, { work, noiseOf, options }) : null,
      ...(!whole && { misbillingReason: 'it was not measured in every stage' }),
      ...(whole &&
        !few && { misbillingReason: `more than ${mostTakenApart} requests: the leading metric only` }),
    },
  };
}

function isMeasured({ work }: StageWork): boolean {
  return work.some((value) => !Number.isNaN(value) && value > 0);
}

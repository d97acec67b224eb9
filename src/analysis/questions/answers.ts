import { findMetric, type MetricName, type WorkMetric } from '../../core/metrics.js';
import type { FactorValue, Question } from '../../core/question.js';
import { worthNaming } from '../../core/verdict.js';
import { combinedVariance, reachOf } from '../../stats/combined-variance.js';
import { addColumns } from '../../stats/sum.js';
import type { RequestTable } from '../requests/request-table.js';
import type { ResultHead } from '../requests/table-builder.js';
import { stageColumns, stageWork } from '../stages/columns.js';
import type { Design } from '../statistic.js';
import { type Contrast, contrastsOf, type MeasuredCell, meanOf, measureCells } from './levels.js';
import { type EstimatedShare, estimateShare } from './ratio-of-sums.js';
import { type LogRatio, logRatioOfMeans, logRatioOfVariations, variationOf } from './statistics.js';

/** A question of the suite, with what the run answers. */
export interface AnsweredQuestion {
  text: string;
  factor: string;
  baseline: FactorValue;
  metric: Question['metric'];
  unit: string;
  per: Question['per'];
  answers: Answer[];
  /** Why there is no answer. */
  reason?: string;
}

/** One statistic at one level of the factor, beside the baseline. */
export interface Answer {
  statistic: Question['statistics'][number];
  level: FactorValue;
  /** The levels of other factors at which this holds. */
  by: Record<string, FactorValue>;
  /** Cells that are compared: at the baseline, at the level. */
  cells: [baseline: number, level: number];
  /** Whether each cell is held against one that differs in the factor alone. */
  matched: boolean;
  /** Whether both sides are billed the same tokens. */
  equalBill: boolean;
  /** The statistic on each side: a mean, a coefficient of variation, a share. */
  atBaseline: number | null;
  atLevel: number | null;
  /** `mean`, `variation`: level ÷ baseline; `hiddenShare`: the difference of the shares. With its 95% interval. */
  value: number | null;
  low: number | null;
  high: number | null;
  verdict: AnswerVerdict | null;
  reason?: string;
}

/** `same`: within 1% of each other, by the whole interval; `~`: neither a difference nor its absence is shown. */
type AnswerVerdict = 'more' | 'less' | 'same' | '~';

/** The answers to the questions that the run's suite was made to find out. */
export function answeredQuestions(
  { run, metrics }: Pick<ResultHead, 'run' | 'metrics'>,
  table: RequestTable,
  { design, seed }: { design: Design; seed: number },
): AnsweredQuestion[] {
  return (run.questions ?? []).map((question) => {
    const { text, factor, baseline, metric, per, statistics } = question;
    const isWork = findMetric(metric)?.kind === 'work';
    const unit = isWork ? (metrics[metric]?.unit ?? '') : 'ns';
    const exact = metrics[metric]?.provenance === 'derived';
    const cells = measureCells(table, question, exact);
    const contrasts = contrastsOf(question, cells);
    const answers = contrasts.flatMap((contrast) =>
      statistics.map(
        (statistic): Answer => ({
          ...about(contrast, statistic),
          ...answer(table, metric, contrast, statistic, { design, seed, exact }),
        }),
      ),
    );
    const reason = answers.length > 0 ? null : whyNone(cells, question);
    return { text, factor, baseline, metric, unit, per, answers, ...(reason !== null && { reason }) };
  });
}

function whyNone(cells: readonly MeasuredCell[], { factor, baseline, metric }: Question): string {
  if (cells.length === 0) return `no request that takes part measured ${metric}`;
  if (!cells.some(({ level }) => level === baseline)) return `no request ran at ${factor} = ${baseline}`;
  return `every request ran at ${factor} = ${baseline}, or at other levels of what must be equal`;
}

function about({ by, level, matched, baseline, candidate }: Contrast, statistic: Answer['statistic']) {
  const billed = (cells: readonly MeasuredCell[]) => meanOf(cells.map((cell) => cell.billed));
  return {
    statistic,
    level,
    by,
    cells: [baseline.length, candidate.length] as [number, number],
    matched,
    equalBill: Math.abs(billed(candidate) / billed(baseline) - 1) < 1e-9,
  };
}

type Figures = Pick<Answer, 'atBaseline' | 'atLevel' | 'value' | 'low' | 'high' | 'verdict' | 'reason'>;

function answer(
  table: RequestTable,
  metric: MetricName,
  { baseline, candidate, matched }: Contrast,
  statistic: Answer['statistic'],
  { design, seed, exact }: { design: Design; seed: number; exact: boolean },
): Figures {
  if (statistic === 'hiddenShare') {
    const record = findMetric(metric);
    if (record?.kind !== 'work') return nothing('only work has hidden parts, times have not');
    const { noTotal } = record.addsUp;
    if (noTotal !== null) return nothing(noTotal);
    const share = (cells: readonly MeasuredCell[]) =>
      hiddenShare(table, cells, metric as WorkMetric, { design, exact });
    return differenceOf(share(baseline), share(candidate));
  }
  if (statistic === 'mean') {
    const ratio = logRatioOfMeans(baseline, candidate, { design, matched });
    return fromLog(ratio, mean(baseline), mean(candidate));
  }
  const ratio = logRatioOfVariations(baseline, candidate, { design, matched, seed });
  return fromLog(ratio, variationOf(baseline), variationOf(candidate));
}

function mean(cells: readonly MeasuredCell[]): number {
  return meanOf(cells.map((cell) => cell.mean));
}

function nothing(reason: string): Figures {
  return { atBaseline: null, atLevel: null, value: null, low: null, high: null, verdict: null, reason };
}

function fromLog(ratio: LogRatio, atBaseline: number | null, atLevel: number | null): Figures {
  if (ratio.value === null) return { ...nothing(ratio.reason), atBaseline, atLevel };
  const value = Math.exp(ratio.value);
  if (ratio.reach === null) {
    return { ...nothing(ratio.reason), atBaseline, atLevel, value };
  }
  const [low, high] = [Math.exp(ratio.value - ratio.reach), Math.exp(ratio.value + ratio.reach)];
  return { atBaseline, atLevel, value, low, high, verdict: verdictOn(low, high) };
}

function verdictOn(low: number, high: number): AnswerVerdict {
  if (low >= 1 - worthNaming && high <= 1 + worthNaming) return 'same';
  if (low > 1) return 'more';
  return high < 1 ? 'less' : '~';
}

function hiddenShare(
  table: RequestTable,
  cells: readonly MeasuredCell[],
  metric: WorkMetric,
  options: { design: Design; exact: boolean },
): EstimatedShare {
  const rows = Uint32Array.from(cells.flatMap(({ requests }) => requests));
  const cellOf = Uint32Array.from(cells.flatMap(({ requests }, c) => requests.map(() => c)));
  const works = stageWork(stageColumns(table, rows), metric);
  const sum = (part: 'work' | 'uncounted') =>
    addColumns(
      works.map((own) => own[part]),
      new Float64Array(rows.length),
    );
  const round = rows.map((i) => table.round[i]!);
  return estimateShare(sum('uncounted'), sum('work'), cellOf, { ...options, round });
}

function differenceOf(baseline: EstimatedShare, level: EstimatedShare): Figures {
  const sides = { atBaseline: baseline.value, atLevel: level.value };
  if (baseline.value === null || level.value === null) {
    return { ...nothing(baseline.reason ?? level.reason ?? ''), ...sides };
  }
  const value = level.value - baseline.value;
  if (baseline.error === undefined || level.error === undefined) {
    return { ...nothing(baseline.reason ?? level.reason ?? ''), ...sides, value };
  }
  // Errors of the two sides are apart from each other (Welch 1947).
  const reach = reachOf(combinedVariance([baseline.error, level.error]));
  const [low, high] = [value - reach, value + reach];
  const verdict =
    low > 0 ? 'more' : high < 0 ? 'less' : low >= -worthNaming && high <= worthNaming ? 'same' : '~';
  return { ...sides, value, low, high, verdict };
}

import type { ComparedCell } from '../../../analysis/compare/cells.js';
import { type ComparisonVerdict, isChange } from '../../../analysis/compare/verdicts.js';
import { meansTable, metricTable, said } from '../../tables/comparison.js';
import { pickColumns } from '../../tables/table.js';
import { axisUnit, formatNumber } from '../../words/format.js';
import { metricName } from '../../words/names.js';
import { renderChart } from '../chart.js';
import type { Row } from '../charts/rows.js';
import { type Html, html } from '../html.js';
import type { Section } from '../page-context.js';
import type { ComparisonContext } from './context.js';

/** Rows that a page can hold; of more cells, those that changed most are shown. */
const mostRows = 40;

function toneOf(row: { metric: string; verdict: ComparisonVerdict | null }): Row['tone'] {
  if (isChange(row, 'more')) return 'trouble';
  return isChange(row, 'less') ? 'accent' : 'muted';
}
const ratioAxis = { name: 'candidate ÷ baseline', unit: '', scale: 'log' as const };
const noChange = { value: 1, text: 'no change' };

/** All metrics over all cells: geometric means with their intervals. */
export function means({ comparison, id }: ComparisonContext): Section {
  const entries = Object.entries(comparison.geomean).filter(([, { ratio }]) => ratio > 0);
  return {
    name: 'means',
    short: 'All cells',
    title: 'Over all cells',
    lead: 'Geometric mean of the cells’ ratios with its 95% interval; left of the line (blue) the candidate took less, right of it (red) more; grey is the same, or cannot be told.',
    body: renderChart({
      id: id('means-chart'),
      label: 'Candidate over baseline in every metric, all cells together',
      spec: {
        kind: 'rows',
        style: 'dot',
        axis: ratioAxis,
        origin: noChange,
        rows: entries.map(([metric, { ratio, low, high, verdict }]) => ({
          label: metricName(metric),
          value: ratio,
          low,
          high,
          tone: toneOf({ metric, verdict }),
          text: said(ratio, verdict),
        })),
      },
      table: meansTable(comparison).columns,
    }),
  };
}

/** The forest plot: each cell's ratio with its interval. */
export function ratios(context: ComparisonContext): Section | null {
  if (context.metrics.length === 0) return null;
  return {
    name: 'ratios',
    short: 'Cell by cell',
    title: 'Cell by cell: the ratio',
    lead: 'Ratio of medians with its 95% interval. A cell is called slower or faster, of amounts more or less, where that is significant and beyond 1%, the same where it was shown to be within 1%, and ~ where neither could be shown.',
    body: perMetric(context, (metric, drawn) => {
      const rows = changedMost(context.comparison.cells.filter((row) => row.metric === metric));
      return renderChart({
        id: context.id(`ratios-${metric}`),
        drawn,
        label: `Candidate over baseline in ${metricName(metric)}, cell by cell`,
        caption: captionOf(metric, rows, 'Ratio of'),
        spec: {
          kind: 'rows',
          style: 'dot',
          axis: ratioAxis,
          origin: noChange,
          rows: rows.shown.map(({ cell, ratio, low, high, verdict }) => ({
            label: cell,
            value: ratio!,
            low: positive(low),
            high: positive(high),
            tone: toneOf({ metric, verdict }),
            text: said(ratio!, verdict),
          })),
        },
        table: pickColumns(metricTable(rows.all, metric), ['cell', 'ratio', 'p_adjusted', 'verdict']),
      });
    }),
  };
}

/** Medians of both sides, one below the other for each cell. */
export function bothSides(context: ComparisonContext): Section | null {
  if (context.metrics.length === 0) return null;
  return {
    name: 'sides',
    short: 'Side by side',
    title: 'Side by side: the medians',
    lead: html`◇ is the baseline, ● the candidate.`,
    body: perMetric(context, (metric, drawn) => {
      const rows = changedMost(context.comparison.cells.filter((row) => row.metric === metric));
      const unit = rows.all[0]?.unit ?? '';
      return renderChart({
        id: context.id(`sides-${metric}`),
        drawn,
        label: `${metricName(metric)} of baseline and candidate, cell by cell`,
        caption: captionOf(metric, rows, 'Medians of'),
        spec: {
          kind: 'rows',
          style: 'dot',
          joined: true,
          markName: 'baseline',
          axis: { name: metricName(metric), unit, scale: 'log' },
          rows: rows.shown.map(({ cell, baseline, candidate, verdict }) => ({
            label: cell,
            value: candidate,
            low: null,
            high: null,
            mark: baseline,
            tone: toneOf({ metric, verdict }),
            text: fromTo(baseline, candidate, unit),
          })),
        },
        table: pickColumns(metricTable(rows.all, metric), ['cell', 'baseline', 'candidate', 'repetitions']),
      });
    }),
  };
}

function perMetric({ metrics }: ComparisonContext, build: (metric: string, drawn: boolean) => Html): Html {
  return html`${metrics.map(
    (metric, index) =>
      html`<div data-metric="${metric}"${index > 0 && html` hidden`}>${build(metric, index === 0)}</div>`,
  )}`;
}

interface ShownRows {
  all: readonly ComparedCell[];
  shown: readonly ComparedCell[];
}

/** In the workload's order; a ratio of 0 or none has no place on a logarithmic axis, only in the table. */
function changedMost(all: readonly ComparedCell[]): ShownRows {
  const drawable = all.filter(({ ratio }) => ratio !== null && ratio > 0);
  if (drawable.length <= mostRows) return { all, shown: drawable };
  const distance = ({ ratio }: ComparedCell) => Math.abs(Math.log(ratio!));
  const kept = new Set(drawable.toSorted((a, b) => distance(b) - distance(a)).slice(0, mostRows));
  return { all, shown: drawable.filter((row) => kept.has(row)) };
}

function captionOf(metric: string, { all, shown }: ShownRows, what: string): Html {
  return html`${what} <strong>${metricName(metric)}</strong>.${
    shown.length < all.length && ` The ${shown.length} of ${all.length} cells that changed most.`
  }`;
}

/** `4.23 → 2.84 ms`. */
function fromTo(baseline: number, candidate: number, unit: string): string {
  const { name, per } = axisUnit(unit, Math.max(baseline, candidate));
  return `${formatNumber(baseline / per)} → ${formatNumber(candidate / per)} ${name}`;
}

function positive(value: number | null): number | null {
  return value !== null && value > 0 ? value : null;
}

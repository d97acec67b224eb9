import { createColors } from 'picocolors';
import type { Findings, Uniformity } from '../../analysis/findings.js';
import type { Statistic } from '../../analysis/statistic.js';
import type { Driver } from '../../analysis/uniformity/drivers.js';
import type { CrossSubsidy } from '../../analysis/uniformity/worst-cells.js';
import type { WorkMetric } from '../../core/metrics.js';
import { formatCount, formatNumber, formatPercent } from '../words/format.js';
import { headline, leadingMetric, percent } from '../words/headline.js';
import { cellName, metricName } from '../words/metric-name.js';
import { bar } from './bar.js';
import { renderStages } from './stages.js';
import { type Column, fittingColumns, renderTable } from './table.js';
import { wrap } from './wrap.js';

export interface FindingsTextOptions {
  /** Characters per line. */
  width: number;
  color: boolean;
}

/** Findings for a terminal: the sentence, a row per work metric, the worst cells, the drivers as bars. */
export function renderFindings(findings: Findings, { width, color }: FindingsTextOptions): string {
  const colors = createColors(color);
  const leading = leadingMetric(findings);
  const sections = [colors.bold(wrap(headline(findings), width))];
  if (leading !== null) {
    const uniformity = findings.uniformity[leading]!;
    const name = metricName(leading);
    sections.push(
      metricTable(findings, width, colors.bold),
      uniformity.misbilledShare.verdict === 'not distinguishable'
        ? ''
        : worst(uniformity.worstCells, findings, name, width, colors.bold),
      driverBars(uniformity, name, width, colors.bold),
    );
  }
  sections.push(
    ...renderStages(findings, { width, color }),
    colors.dim(
      notes(findings)
        .map((note) => wrap(note, width))
        .join('\n'),
    ),
  );
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
}

function metricTable(findings: Findings, width: number, style: (text: string) => string): string {
  return renderTable(fittingColumns(metricColumns(findings), width), width, style);
}

/** A row per work metric: how far a per-token bill misses it, and what other price lists explain. */
export function metricColumns(findings: Findings): Column[] {
  const rows = Object.entries(findings.uniformity) as [WorkMetric, Uniformity][];
  const column = (
    header: Column['header'],
    importance: number,
    value: (uniformity: Uniformity) => string,
  ): Column => ({
    header,
    importance,
    align: 'right',
    values: rows.map(([, uniformity]) => value(uniformity)),
  });
  const squared = (statistic: Statistic) => formatNumber(round(statistic.value, 3));
  return [
    {
      header: ['work', ''],
      align: 'left',
      importance: 100,
      values: rows.map(([metric]) => metricName(metric)),
    },
    column(['misbilled', ''], 99, ({ misbilledShare }) => withInterval(misbilledShare)),
    column(['by noise', 'alone'], 90, ({ misbilledShare }) => share(misbilledShare.noiseFloor)),
    column(['verdict', ''], 85, ({ misbilledShare }) => misbilledShare.verdict ?? 'not known'),
    column(['R²', '1 price'], 70, ({ rSquared }) => squared(rSquared.oneRate)),
    column(['R²', 'in, out'], 60, ({ rSquared }) => squared(rSquared.inputOutput)),
    column(['R²', '+ fee'], 59, ({ rSquared }) => squared(rSquared.inputOutputFee)),
    column(['elasticity', ''], 50, ({ elasticity }) => formatNumber(round(elasticity.value, 2))),
    column(['per token', 'p95/p5'], 40, ({ workPerToken }) => formatNumber(workPerToken.p95OverP5.value)),
    column(['per token', 'max/med.'], 41, ({ workPerToken }) =>
      formatNumber(workPerToken.maxOverMedian.value),
    ),
    column(['Gini', ''], 30, ({ gini }) => formatNumber(round(gini.value, 3))),
  ];
}

function worst(
  cells: readonly CrossSubsidy[],
  { workload }: Findings,
  metric: string,
  width: number,
  style: (text: string) => string,
): string {
  if (cells.length < 2) return '';
  const times = (value: number | null) => (value === null ? '–' : `${formatNumber(value)}×`);
  const columns: Column[] = [
    {
      header: ['cell', ''],
      align: 'left',
      importance: 100,
      values: cells.map(({ cell }) => cellName(cell, workload.models)),
    },
    {
      header: ['pays', ''],
      align: 'right',
      importance: 99,
      values: cells.map((cell) => times(cell.paysTimesItsCost)),
    },
    {
      header: ['its cost', ''],
      align: 'left',
      importance: 80,
      values: cells.map(({ low, high }) =>
        low === null || high === null ? '' : `[${formatNumber(low)}–${formatNumber(high)}]`,
      ),
    },
    {
      header: ['of the bill', ''],
      align: 'right',
      importance: 60,
      values: cells.map(
        ({ overpaidShare }) => `${overpaidShare > 0 ? '+' : ''}${formatPercent(round(overpaidShare, 4))}`,
      ),
    },
  ];
  const title = style(wrap(`Farthest from paying what they cost, by ${metric}:`, width));
  return `${title}\n${renderTable(fittingColumns(columns, width), width, String)}`;
}

const longestBar = 30;

function driverBars(
  { drivers, driversReason }: Uniformity,
  metric: string,
  width: number,
  style: (text: string) => string,
): string {
  const title = `What makes ${metric} per token vary:`;
  if (drivers === null) return wrap(`${title} ${driversReason}.`, width);
  const names = drivers.map(({ factor }) =>
    factor === 'unexplained' ? 'unexplained (noise, interactions)' : factor,
  );
  const nameWidth = Math.min(Math.max(...names.map(({ length }) => length)), Math.max(8, width - 17));
  const room = Math.max(1, Math.min(longestBar, width - nameWidth - 8));
  const lines = drivers.map(({ share: part }: Driver, index) => {
    const name = names[index]!.slice(0, nameWidth).padEnd(nameWidth);
    return `${name} ${share(part).padStart(5)} ${bar(part, room)}`.trimEnd();
  });
  return [style(wrap(title, width)), ...lines].join('\n');
}

function notes({ workload, notMeasured }: Findings): string[] {
  const { cells, requests, failed, models } = workload;
  const lines = [
    `${formatCount(requests, 'request')} in ${formatCount(cells, 'cell')}${failed > 0 ? `, ${failed} more failed` : ''}. ${workload.intervals}`,
  ];
  if (models.length > 1) lines.push('Each model has a price per token of its own.');
  const byReason = new Map<string, string[]>();
  for (const [metric, reason] of Object.entries(notMeasured)) {
    byReason.set(reason, [...(byReason.get(reason) ?? []), metricName(metric)]);
  }
  for (const [reason, metrics] of byReason) lines.push(`No findings on ${metrics.join(', ')}: ${reason}.`);
  return lines;
}

function withInterval({ value, low, high }: Statistic): string {
  return low === null || high === null || low === high
    ? share(value)
    : `${share(value)} [${share(low, '')}–${share(high)}]`;
}

function share(value: number | null, unit = '%'): string {
  return value === null ? '–' : percent(value, unit);
}

function round(value: number | null, digits: number): number | null {
  return value === null ? null : Number(value.toFixed(digits));
}

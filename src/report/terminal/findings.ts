import { createColors } from 'picocolors';
import type { Findings } from '../../analysis/findings.js';
import { leadingMetric } from '../../analysis/findings.js';
import type { WorkMetric } from '../../core/metrics.js';
import type { ShownColumn } from '../tables/table.js';
import { driversTable, uniformityTable, worstCellsTable } from '../tables/uniformity.js';
import { bar } from '../words/bar.js';
import { formatCount, percent } from '../words/format.js';
import { headline } from '../words/headline.js';
import { metricName } from '../words/names.js';
import { renderStages } from './stages.js';
import { renderInBlocks } from './table.js';
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
    const { verdict } = findings.uniformity[leading]!.misbilledShare;
    const told = verdict === null || verdict === 'non-uniform';
    sections.push(
      table(uniformityTable(findings).columns, width, colors.bold),
      told ? worst(findings, leading, width, colors.bold) : '',
      driverBars(findings, leading, width, colors.bold),
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

function table(columns: readonly ShownColumn[], width: number, style: (text: string) => string): string {
  return renderInBlocks(columns, width, style);
}

function worst(
  findings: Findings,
  metric: WorkMetric,
  width: number,
  style: (text: string) => string,
): string {
  if (findings.uniformity[metric]!.worstCells.length < 2) return '';
  const { title, columns } = worstCellsTable(findings, metric);
  return `${style(wrap(`${title}:`, width))}\n${table(columns, width, String)}`;
}

const longestBar = 30;

function driverBars(
  findings: Findings,
  metric: WorkMetric,
  width: number,
  style: (text: string) => string,
): string {
  const { drivers, driversReason } = findings.uniformity[metric]!;
  const { title } = driversTable(findings, metric);
  if (drivers === null) return wrap(`${title}: ${driversReason}.`, width);
  const names = drivers.map(({ factor }) =>
    factor === 'unexplained' ? 'unexplained (noise, interactions)' : factor,
  );
  const nameWidth = Math.min(Math.max(...names.map(({ length }) => length)), Math.max(8, width - 17));
  const room = Math.max(1, Math.min(longestBar, width - nameWidth - 8));
  const lines = drivers.map(({ share }, index) => {
    const name = names[index]!.slice(0, nameWidth).padEnd(nameWidth);
    return `${name} ${percent(share).padStart(5)} ${bar(share, room)}`.trimEnd();
  });
  return [style(wrap(`${title}:`, width)), ...lines].join('\n');
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

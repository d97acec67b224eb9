import { createColors } from 'picocolors';
import { type Applied, type AppliedWork, moved } from '../../analysis/applied/applied.js';
import { metricOf, type WorkMetric } from '../../core/metrics.js';
import { columnsOf, type Table } from '../tables/table.js';
import {
  appliedHeadline,
  coverageSentences,
  heldOutSentence,
  kindInWords,
  type LogRead,
  originSentence,
} from '../words/applied.js';
import { formatEstimate, percent, points, ratios, shares } from '../words/format.js';
import { metricName } from '../words/names.js';
import { fittingColumns, renderTable } from './table.js';
import { wrap } from './wrap.js';

const mostKinds = 8;

/** A log weighed by measured work, for a terminal. */
export function renderApplied(
  applied: Applied,
  { log, width, color }: { log: LogRead; width: number; color: boolean },
): string {
  const colors = createColors(color);
  const told = Object.entries(applied.work) as [WorkMetric, AppliedWork][];
  const [first] = told;
  const paragraphs = [
    wrap(originSentence(applied, log), width),
    first === undefined
      ? wrap(`Nothing can be estimated: ${applied.reason}.`, width)
      : colors.bold(wrap(appliedHeadline(...first, applied.coverage), width)),
    coverageSentences(applied.coverage, log)
      .map((line) => wrap(line, width))
      .join('\n'),
    ...(first === undefined
      ? []
      : [kindsText(kindsTable(...first), { width, color }), wrap(heldOutSentence(first[1]), width)]),
    ...(told.length < 2
      ? []
      : [
          told
            .slice(1)
            .map(([metric, work]) => wrap(otherMetric(metric, work), width))
            .join('\n'),
        ]),
  ];
  return `${paragraphs.join('\n\n')}\n`;
}

function otherMetric(metric: WorkMetric, { misbilledShare, heldOut }: AppliedWork): string {
  return `By ${metricName(metric)}: an estimated ${formatEstimate(misbilledShare, shares)}; its law is off by ${percent(heldOut.medianError)} in the median.`;
}

function kindsTable(metric: WorkMetric, { kinds }: AppliedWork): Table {
  const shown = kinds.filter((kind) => moved(kind) > 0).slice(0, mostKinds);
  const table = columnsOf(shown);
  return {
    name: 'kinds',
    title: `Farthest from paying what they cost, by ${metricOf(metric).label}`,
    columns: [
      table.text('requests', kindInWords, { priority: 100 }),
      table.number('number', ({ requests }) => requests, { priority: 80 }),
      table.text('pay × their cost', ({ pays }) => show(pays), { priority: 90 }),
      table.number('of the bill', (kind) => kind.billShare - kind.billShare / kind.pays.value, {
        priority: 95,
        show: (share) => formatEstimate({ value: share, low: null, high: null }, points),
      }),
    ],
  };
}

function kindsText({ title, columns }: Table, { width, color }: { width: number; color: boolean }): string {
  const table = renderTable(fittingColumns(columns, width), width, createColors(color).bold);
  return `${title}:\n${table}`;
}

const show = (estimate: { value: number; low: number; high: number }) => formatEstimate(estimate, ratios);

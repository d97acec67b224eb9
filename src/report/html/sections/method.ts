import { findMetric } from '../../../core/metrics.js';
import type { Result } from '../../../core/result.js';
import { capitalized, dash, formatPercent } from '../../words/format.js';
import { metricName } from '../../words/metric-name.js';
import { type Html, html } from '../html.js';
import type { PageContext, Section } from '../page-context.js';
import { htmlTable, numberColumn, textColumn } from '../table.js';
import { formatWithUnit } from '../units.js';

const provenances: Record<string, string> = {
  measured: 'measured: a counter read around the request',
  attributed: 'attributed: a counter read over a window, shared among the requests in it',
  derived: 'derived: computed exactly',
  estimated: 'estimated: by a model with assumptions',
  unavailable: 'unavailable',
};

/** What was measured and how, and whether it adds up. */
export function methodSection({ result, findings }: PageContext): Section {
  const metrics = Object.entries(result.metrics);
  const { workload, notMeasured } = findings;
  const used = new Set(metrics.map(([, { provenance }]) => provenance));
  return {
    name: 'method',
    short: 'Method',
    title: 'What was measured, and how',
    body: html`${htmlTable(
      [
        textColumn(
          'metric',
          metrics.map(([metric]) => capitalized(metricName(metric))),
        ),
        textColumn(
          'what it is',
          metrics.map(([metric]) => findMetric(metric)?.definition ?? ''),
        ),
        textColumn(
          'unit',
          metrics.map(([, { unit }]) => unit),
        ),
        textColumn(
          'provenance',
          metrics.map(([, { provenance }]) => provenance),
        ),
        textColumn(
          'method',
          metrics.map(([, { method }]) => method),
        ),
        textColumn(
          'not measured because',
          metrics.map(([, { reason, hint }]) => [reason, hint].filter((part) => part !== null).join(': ')),
        ),
      ],
      'Metrics, their provenance and method',
      { prose: true },
    )}
<p class="note">${Object.entries(provenances)
      .filter(([name]) => used.has(name as never) && name !== 'unavailable')
      .map(([, words]) => words)
      .join('; ')}.</p>
${conservation(result)}
<h3>Statistics</h3>
<p>${workload.requests} requests in ${workload.cells} cells${workload.failed > 0 && `, ${workload.failed} more failed`}. ${workload.intervals} Seed ${workload.seed}. The misbilled share is the Hoover index of work against the bill over cells, corrected for noise. “Not distinguishable” means within the central 95% of what noise alone would give.</p>
${workload.models.length > 1 && html`<p>Each model has a price per token of its own.</p>`}
${Object.entries(notMeasured).map(
  ([metric, reason]) => html`<p class="note">No findings on ${metricName(metric)}: ${reason}.</p>`,
)}`,
  };
}

/** Attributed totals against what the devices counted. */
function conservation({ conservation }: Result): Html | null {
  const rows = Object.entries(conservation);
  if (rows.length === 0) return null;
  const amount = (of: 'total' | 'requests' | 'idle' | 'unattributed') =>
    rows.map(([, row]) => formatWithUnit(row[of], row.unit));
  const share = rows.map(([, { requests, total }]) => (total > 0 ? formatPercent(requests / total) : dash));
  return html`<h3>Does it add up?</h3>${htmlTable(
    [
      textColumn(
        'counter',
        rows.map(([name]) => counterName(name)),
      ),
      numberColumn('in all', amount('total')),
      numberColumn('in requests', amount('requests')),
      numberColumn('share', share),
      numberColumn('idle', amount('idle')),
      numberColumn('unattributed', amount('unattributed')),
    ],
    'Totals of each counter, and where they went',
  )}`;
}

/** `energy/package-0` is energy on that device. */
function counterName(key: string): string {
  const [metric, ...device] = key.split('/');
  return [capitalized(metricName(metric!)), ...device].join(', ');
}

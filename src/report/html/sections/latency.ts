import { kneesOf } from '../../../analysis/knee.js';
import { type LatencyDistribution, latencyDistributions } from '../../../analysis/latency-distribution.js';
import { latencyTable } from '../../tables/run.js';
import { sweepTable } from '../../tables/sweep.js';
import { formatDuration } from '../../words/format.js';
import { kneeSentence } from '../../words/knee.js';
import { renderChart } from '../chart.js';
import { type Html, html } from '../html.js';
import type { PageContext, Section } from '../page-context.js';
import { htmlTable } from '../table.js';

const names = {
  timeToFirstToken: 'time to first token (TTFT)',
  interToken: 'time between tokens (ITL)',
  endToEnd: 'end to end (E2E)',
} as const;

/** Latencies of requests and their tokens, over all cells. */
export function latencySection({ result, id }: PageContext): Section | null {
  const distributions = latencyDistributions(result);
  if (distributions.length === 0) return null;
  return {
    name: 'latency',
    short: 'Latency',
    title: 'How long it took',
    lead: 'Over all requests, so the spread is the workload’s as much as the machine’s. TTFT and E2E from submission. A percentile is shown where the sample is large enough for it.',
    body: html`<div class="triple">${distributions.map((distribution) => chart(distribution, id))}</div>`,
  };
}

function chart(distribution: LatencyDistribution, id: PageContext['id']): Html {
  const { name, counted, boundsNs, counts, percentiles, requests, of } = distribution;
  const total = counts.reduce((sum, count) => sum + count, 0);
  const label = names[name];
  const marks = percentiles.map(({ name, valueNs }) => `${name} ${formatDuration(valueNs)}`).join(', ');
  return renderChart({
    id: id(`latency-${name}`),
    width: 420,
    label: `Distribution of the ${label}: ${marks}`,
    caption: html`<strong>${label}</strong><br>${marks}. ${total} ${counted}${name === 'interToken' && html` of ${requests}${requests < of && html` of ${of}`} requests`}.`,
    spec: {
      kind: 'distribution',
      name: label,
      counted,
      unit: 'ns',
      bounds: boundsNs,
      counts,
      marks: percentiles.map(({ name, valueNs }) => ({ name, value: valueNs })),
    },
    table: latencyTable(distribution).columns,
  });
}

/** The knee of every sweep of rates in words, and its steps. */
export function sweepSection({ result }: PageContext): Section | null {
  const knees = kneesOf(result);
  if (knees.length === 0) return null;
  const { title, columns } = sweepTable(knees);
  return {
    name: 'sweep',
    short: 'Sweep',
    title: 'What rate the server holds',
    body: html`${knees.map((knee) => html`<p>${kneeSentence(knee)}</p>`)}${htmlTable(columns, title)}`,
  };
}

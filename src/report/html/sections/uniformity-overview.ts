import type { Uniformity } from '../../../analysis/findings.js';
import type { WorkMetric } from '../../../core/work.js';
import { capitalized } from '../../format.js';
import { percent } from '../../headline.js';
import { metricName } from '../../metric-name.js';
import { type Html, html } from '../html.js';
import type { PageContext, Section } from '../page-context.js';

/** The misbilled share by every measure of work, each with its interval beside what noise alone would give. */
export function uniformityOverview({ metrics, findings }: PageContext): Section {
  return {
    name: 'measures',
    title: 'By every measure of work',
    lead: 'How much of a bill of one price per token lands on the wrong requests.',
    body: html`<p>${metrics.map((metric) => row(metric, findings.uniformity[metric]!))}</p>`,
  };
}

function row(metric: WorkMetric, { misbilledShare: { value } }: Uniformity): Html {
  return html`${capitalized(metricName(metric))}: ${value === null ? '–' : percent(value)}<br>`;
}

import type { Uniformity } from '../../analysis/findings.js';
import type { WorkMetric } from '../../core/metrics.js';
import { capitalized } from '../words/format.js';
import { metricName } from '../words/names.js';
import { type Html, html, type Part } from './html.js';
import type { PageContext } from './page-context.js';

export interface MetricPanel {
  metric: WorkMetric;
  name: string;
  unit: string;
  uniformity: Uniformity;
  /** Whether it is the one shown at first, and so the one drawn for readers without script. */
  drawn: boolean;
}

/** The same content for each metric, of which the metric switch shows one. */
export function metricPanels({ metrics, findings }: PageContext, build: (panel: MetricPanel) => Part): Html {
  return html`${metrics.map((metric, index) => {
    const uniformity = findings.uniformity[metric]!;
    const panel = { metric, name: metricName(metric), unit: uniformity.unit, uniformity, drawn: index === 0 };
    return html`<div data-metric="${metric}"${index > 0 && html` hidden`}>${build(panel)}</div>`;
  })}`;
}

/** Radio buttons for the metric; nothing where there is no choice. */
export function metricSwitch(
  { metrics, id }: { metrics: readonly string[]; id: PageContext['id'] },
  legend = 'Work measured as',
): Part {
  if (metrics.length < 2) return null;
  const name = id('metric');
  return html`<fieldset class="switch" data-metric-switch><legend>${legend}</legend>${metrics.map(
    (metric, index) =>
      html`<label><input type="radio" name="${name}" value="${metric}"${index === 0 && html` checked`}> <span>${capitalized(metricName(metric))}</span></label>`,
  )}</fieldset>`;
}

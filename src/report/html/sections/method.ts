import type { Result } from '../../../core/result.js';
import { conservationTable, provenanceTable } from '../../tables/run.js';
import { metricName } from '../../words/names.js';
import { type Html, html } from '../html.js';
import type { PageContext, Section } from '../page-context.js';
import { htmlTable } from '../table.js';

const provenances: Record<string, string> = {
  measured: 'measured: a counter read around the request',
  attributed: 'attributed: a counter read over a window, shared among the requests in it',
  derived: 'derived: computed exactly',
  estimated: 'estimated: by a model with assumptions',
  unavailable: 'unavailable',
};

/** The methods of what was measured, and whether it adds up. */
export function methodSection({ result, findings }: PageContext): Section {
  const table = provenanceTable(result.metrics);
  const { workload, notMeasured } = findings;
  const used = new Set(Object.values(result.metrics).map(({ provenance }) => provenance));
  return {
    name: 'method',
    short: 'Method',
    title: 'What was measured, and how',
    folded: 'method and provenance of every figure, whether totals add up, statistics',
    body: html`${htmlTable(table.columns, table.title, { prose: true })}
<p class="note">${Object.entries(provenances)
      .filter(([name]) => used.has(name as never) && name !== 'unavailable')
      .map(([, words]) => words)
      .join('; ')}.</p>
${conservation(result)}
<h4>Statistics</h4>
<p>${workload.requests} requests in ${workload.cells} cells${workload.failed > 0 && `, ${workload.failed} more failed`}. ${workload.intervals} Seed ${workload.seed}. The misbilled share is the Hoover index of work against the bill over cells, corrected for noise. “Not distinguishable” means within the central 95% of what noise alone would give.</p>
${workload.models.length > 1 && html`<p>Each model has a price per token of its own.</p>`}
${Object.entries(notMeasured).map(
  ([metric, reason]) => html`<p class="note">No findings on ${metricName(metric)}: ${reason}.</p>`,
)}`,
  };
}

/** Attributed totals against what the devices counted. */
function conservation(result: Result): Html | null {
  const { columns, title } = conservationTable(result);
  return columns[0]!.text.length === 0 ? null : html`<h4>Does it add up?</h4>${htmlTable(columns, title)}`;
}

import { pickColumns } from '../../tables/table.js';
import { uniformityTable } from '../../tables/uniformity.js';
import { capitalized, formatEstimate, shares } from '../../words/format.js';
import { metricName } from '../../words/names.js';
import { renderChart } from '../chart.js';
import { html } from '../html.js';
import type { PageContext, Section } from '../page-context.js';
import { htmlTable } from '../table.js';
import { explained } from '../words.js';

/** The misbilled share by every measure of work, each with its interval beside what noise alone would give. */
export function uniformityOverview({ metrics, findings, id }: PageContext): Section | null {
  const all = metrics.map((metric) => ({
    metric,
    name: capitalized(metricName(metric)),
    of: findings.uniformity[metric]!,
  }));
  if (all.length === 0) return null;
  const known = all.filter(({ of }) => of.misbilledShare.value !== null);
  const unknown = all.filter(({ of }) => of.misbilledShare.value === null);
  const table = uniformityTable(findings);
  // The chart shows the misbilled share, and what noise alone would give.
  const drawn = ['misbilled_share', 'share_by_noise_alone'];
  const statistics = table.columns.filter(({ id: column }) => !drawn.includes(column));
  const label = 'Misbilled share by measure of work';
  return {
    name: 'measures',
    short: 'All measures',
    title: 'By every measure of work',
    lead: 'The misbilled share of a per-token bill: what lands on the wrong requests. Tokens track work where the dot lies on the diamond: there, noise alone explains it.',
    body: html`${
      known.length > 0 &&
      renderChart({
        id: id('misbilled'),
        label,
        caption:
          '● misbilled share, with its 95% interval; ◇ what noise alone would give. Grey cannot be told from it.',
        spec: {
          kind: 'rows',
          style: 'dot',
          axis: { name: 'misbilled share of the bill', unit: 'ratio', scale: 'linear' },
          markName: 'noise alone',
          rows: known.map(({ name, of: { misbilledShare } }) => ({
            label: name,
            value: misbilledShare.value!,
            low: misbilledShare.low,
            high: misbilledShare.high,
            mark: misbilledShare.noiseFloor,
            tone:
              misbilledShare.verdict === null || misbilledShare.verdict === 'non-uniform'
                ? ('accent' as const)
                : ('muted' as const),
            text: formatEstimate(misbilledShare, shares),
          })),
        },
        table: pickColumns(table, ['work', ...drawn]),
      })
    }<details><summary>More statistics: R², elasticity, Gini, spread of work per token</summary>${htmlTable(statistics, table.title)}
${table.notes!.map((note) => html`<p class="note">${explained(note)}</p>`)}</details>
${unknown.map(({ name, of }) => html`<p class="note">${name}: not known, as ${of.misbilledShare.reason}.</p>`)}`,
  };
}

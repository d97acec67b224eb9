import type { Findings } from '../../../analysis/findings.js';
import type { Share } from '../../../analysis/questions/ratio-of-sums.js';
import { type Waterfall, type WaterfallStep, waterfallSteps } from '../../../analysis/stages/waterfall.js';
import type { WorkMetric } from '../../../core/metrics.js';
import { componentsTable, hiddenWorkTable, stagesTable, waterfallTable } from '../../tables/stages.js';
import { stackedTables, type Table } from '../../tables/table.js';
import { capitalized, dash, formatEstimate, formatNumber, shares } from '../../words/format.js';
import { cellName, metricName } from '../../words/names.js';
import { farthestWaterfall, hiddenWorkSentences, ledgerSentences, stageMetric } from '../../words/stages.js';
import { renderChart } from '../chart.js';
import type { WaterfallBar } from '../charts/waterfall.js';
import { type Html, html } from '../html.js';
import type { PageContext, Section } from '../page-context.js';
import { htmlTable } from '../table.js';

/** The cost of each stage, whether the bill shows it, and how a bill becomes what the request is worth. */
export function stagesSection({ findings, id }: PageContext): Section | null {
  if (findings.stages.length === 0) return null;
  const { balanced, violated } = ledgerSentences(findings);
  return {
    name: 'stages',
    short: 'Stages',
    title: 'Where the work goes, stage by stage',
    lead: hiddenWorkSentences(findings).join(' '),
    body: html`${waterfalls(findings, id)}${hiddenShares(findings, id)}${stageTables(findings)}
${violated.map((line) => html`<p class="notice">${line}</p>`)}
${balanced.map((line) => html`<p class="note">${line}</p>`)}`,
  };
}

/** The hidden share by every metric, each with its interval. */
function hiddenShares(findings: Findings, id: PageContext['id']): Html | null {
  const table = hiddenWorkTable(findings);
  if (table === null) return null;
  const known = (Object.entries(findings.hiddenWork) as [WorkMetric, Share][]).filter(
    ([, { value }]) => value !== null,
  );
  return renderChart({
    id: id('hidden-work'),
    label: table.title,
    caption: 'The share of each kind of work that no field of usage shows, with its 95% interval.',
    spec: {
      kind: 'rows',
      style: 'dot',
      axis: { name: 'hidden share of the work', unit: 'ratio', scale: 'linear' },
      rows: known.map(([metric, { value, low, high }]) => ({
        label: capitalized(metricName(metric)),
        value: value!,
        low,
        high,
        tone: 'hidden' as const,
        text: formatEstimate({ value, low, high }, shares),
      })),
    },
    table: table.columns,
  });
}

/** The table of components by the leading metric; its stages and each other metric folded up below. */
function stageTables(findings: Findings): Html {
  const leading = stageMetric(findings);
  const drawn = (table: Table | null) => table && htmlTable(table.columns, table.title);
  const components = (metric: WorkMetric) => drawn(componentsTable(findings, metric));
  const stages = (metric: WorkMetric) => drawn(stagesTable(findings, metric));
  const first = leading && components(leading);
  if (!first) return html`<p class="absent">The work of single stages was not measured.</p>`;
  const others = (Object.keys(findings.hiddenWork) as WorkMetric[]).filter((metric) => metric !== leading);
  const byStage = stages(leading);
  return html`<h4>What each part of answering costs, by ${metricName(leading)}</h4>${first}${
    byStage && html`<details><summary>Stage by stage</summary>${byStage}</details>`
  }${others.map((metric) => {
    const own = components(metric);
    return own && html`<details><summary>By ${metricName(metric)}</summary>${own}${stages(metric)}</details>`;
  })}`;
}

/** The farthest from its bill first, then the mean request and all cells to choose from. */
function waterfalls(findings: Findings, id: PageContext['id']): Html | null {
  const farthest = farthestWaterfall(findings);
  const inOrder = [...new Set([...(farthest === null ? [] : [farthest]), ...findings.waterfalls])];
  return waterfallChart(inOrder, ({ of }) => cellName(of, findings.workload.models), id);
}

/** Waterfalls of which the first is shown, and the others are to choose from; `null` for none. */
export function waterfallChart(
  waterfalls: readonly Waterfall[],
  named: (waterfall: Waterfall) => string,
  id: PageContext['id'],
): Html | null {
  const drawn = waterfalls.flatMap((waterfall) => {
    const steps = waterfallSteps(waterfall);
    return steps === null ? [] : [{ waterfall, steps: steps.map(barOf) }];
  });
  const [first] = drawn;
  if (first === undefined) return null;
  return renderChart({
    id: id('waterfall'),
    label: `From billed to effective tokens, stage by stage, of ${named(first.waterfall)}`,
    caption: `From what a request is billed to what it is worth in plain tokens, by ${metricName(first.waterfall.metric)}. A stage adds what it is worth beyond what it is billed (green; violet where no bill shows it), or takes away (orange).`,
    choices: [
      {
        name: 'of',
        label: 'Request',
        options: drawn.map(({ waterfall }, index) => ({ value: String(index), label: named(waterfall) })),
      },
    ].filter(({ options }) => options.length > 1),
    spec: {
      kind: 'waterfall',
      axis: 'tokens',
      waterfalls: drawn.map(({ waterfall, steps }) => ({ of: named(waterfall), steps })),
    },
    table: stackedTables(
      'request',
      drawn.map(({ waterfall }) => ({ key: named(waterfall), table: waterfallTable(waterfall)! })),
    ),
  });
}

const totals: Partial<Record<WaterfallStep['kind'], string>> = {
  billed: 'Billed tokens',
  effective: 'Effective tokens',
};

function barOf({ label, kind, from, to, stage }: WaterfallStep): WaterfallBar {
  const total = totals[kind];
  if (total !== undefined)
    return { label: total, from, to, kind: 'total', details: [['tokens', formatNumber(to)]] };
  const hidden = stage === null || stage.visibility === 'none';
  return {
    label,
    from,
    to,
    kind: to < from ? 'less' : hidden ? 'hidden' : 'more',
    details:
      stage === null
        ? [['effective tokens', formatNumber(to - from)]]
        : [
            ['part of the answer', stage.component],
            ['billed tokens', formatNumber(stage.billed)],
            ['effective tokens', formatNumber(stage.effective)],
            ['positions evaluated', formatNumber(stage.processed)],
            ['visible in usage', stage.visibility ?? dash],
          ],
  };
}

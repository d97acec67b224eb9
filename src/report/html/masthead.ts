import type { Findings } from '../../analysis/findings.js';
import { leadingMetric } from '../../analysis/findings.js';
import type { WorkMetric } from '../../core/metrics.js';
import { dash, formatCount, formatInterval, formatNumber, percent, shares } from '../words/format.js';
import { headline } from '../words/headline.js';
import { metricName } from '../words/names.js';
import { recordingNotice } from '../words/recording.js';
import { describeFailures } from '../words/run-findings.js';
import { setting } from '../words/setting.js';
import { type Html, html, type Part } from './html.js';
import { type PageContext, sectionId } from './page-context.js';

/** The top of the page: the answer, what was run, and what went wrong. */
export function masthead({ result, findings, id }: PageContext): Html {
  const { run, warnings } = result;
  const [what, ...rest] = setting(result);
  return html`<header class="masthead">
<p class="kicker">Do tokens track work? ${run.suite} on ${result.hardware.id}, ${run.startedAt.slice(0, 10)}</p>
<h1>${headline(findings)}</h1>
${stats(findings)}
<p class="setting">${what}<br>${rest[0]}</p>
${notices(result, sectionId('warnings', id), warnings.length)}
</header>`;
}

/** Cost of a token in the dearest cell, against the middle one. */
function spread({ uniformity }: Findings, metric: WorkMetric): [string, string, string][] {
  const { value } = uniformity[metric]!.workPerToken.maxOverMedian;
  return value === null ? [] : [['Dearest token', `${formatNumber(value)}×`, 'the median one']];
}

/** The figures of the metric that the headline is about. */
function stats(findings: Findings): Part {
  const metric = leadingMetric(findings);
  if (metric === null) return null;
  const { misbilledShare, cells, requests } = findings.uniformity[metric]!;
  const { value, low, high, noiseFloor, verdict } = misbilledShare;
  if (value === null) return null;
  const cards: [string, string, string][] = [
    [
      'Misbilled',
      percent(value),
      low === null || high === null
        ? `by ${metricName(metric)}`
        : `${formatInterval(low, high, shares)}, by ${metricName(metric)}`,
    ],
    [
      'Noise alone would give',
      noiseFloor === null ? dash : percent(noiseFloor),
      verdict === null ? 'nothing was repeated' : `verdict: ${verdict}`,
    ],
    ...spread(findings, metric),
    [
      'Requests',
      String(requests),
      `in ${formatCount(cells, 'cell')}${findings.workload.failed > 0 ? `, ${findings.workload.failed} failed` : ''}`,
    ],
  ];
  return html`<dl class="stats">${cards.map(
    ([name, figure, words]) => html`<div><dt>${name}</dt><dd>${figure}<small>${words}</small></dd></div>`,
  )}</dl>`;
}

function notices(result: PageContext['result'], warningsId: string, warnings: number): Html {
  const { run, requests } = result;
  const lines = [
    ...(run.complete
      ? []
      : [`The run was cut short: ${requests.length} of ${run.plannedRequests} planned requests were run.`]),
    ...describeFailures(result),
    ...[recordingNotice(result)].filter((notice) => notice !== null),
  ];
  return html`${lines.map((line) => html`<p class="notice">${line}</p>`)}${
    warnings > 0 &&
    html`<p class="notice"><a href="#${warningsId}">${warnings === 1 ? '1 warning' : `${warnings} warnings`}</a></p>`
  }`;
}

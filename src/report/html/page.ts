import { answerOf } from '../../analysis/answer/answer.js';
import type { Findings } from '../../analysis/findings.js';
import { leadingMetric } from '../../analysis/findings.js';
import { tableOf } from '../../analysis/requests/table-builder.js';
import { isTrace } from '../../analysis/stages/traced-prompts.js';
import type { WorkMetric } from '../../core/metrics.js';
import type { Result } from '../../core/result.js';
import { renderDocument } from './document.js';
import { evidenceHead, pageBody, sectionMarkup } from './frame.js';
import { type Html, html } from './html.js';
import { masthead } from './masthead.js';
import { metricSwitch } from './metric-panels.js';
import type { PageContext, Section } from './page-context.js';
import { cellsSection } from './sections/cells.js';
import { driversSection } from './sections/drivers.js';
import { effectiveTokens } from './sections/effective-tokens.js';
import { latencySection, sweepSection } from './sections/latency.js';
import { machineSection } from './sections/machine.js';
import { methodSection } from './sections/method.js';
import { questionsSection } from './sections/questions.js';
import { requestsScatter } from './sections/requests.js';
import { rooflineSection } from './sections/roofline.js';
import { stagesSection } from './sections/stages.js';
import { timelineSection } from './sections/timeline.js';
import { tracedPromptsSection, traceMasthead } from './sections/traced-prompts.js';
import { troubleSection } from './sections/trouble.js';
import { uniformityOverview } from './sections/uniformity-overview.js';
import { whoPays } from './sections/who-pays.js';

/** In reading order; those before the switch speak of all metrics, those after it of the chosen one. */
const overview: readonly SectionOf[] = [uniformityOverview];
const byMetric: readonly SectionOf[] = [whoPays, requestsScatter, effectiveTokens, driversSection];
const aboutRun: readonly SectionOf[] = [
  stagesSection,
  questionsSection,
  sweepSection,
  latencySection,
  rooflineSection,
  timelineSection,
  cellsSection,
  methodSection,
  machineSection,
  troubleSection,
];

/** Of a trace: its prompts, and no statistics of a workload, which it is none of. */
const aboutTrace: readonly SectionOf[] = [
  timelineSection,
  cellsSection,
  methodSection,
  machineSection,
  troubleSection,
];

/** `null` where a result has nothing to show there. */
type SectionOf = (context: PageContext) => Section | null;

/** The page about one result or several, with the findings drawn from each. */
export function renderPage(runs: readonly { result: Result; findings: Findings }[]): string {
  const pages = runs.map(({ result, findings }, index) => articleOf(result, findings, index));
  const suites = [...new Set(runs.map(({ result: { run, hardware } }) => `${run.suite} on ${hardware.id}`))];
  return renderDocument({
    title: `tokenwork: ${suites.join(', ')}`,
    body: pageBody(pages),
  });
}

function articleOf(result: Result, findings: Findings, index: number): Html {
  const leading = leadingMetric(findings);
  const measured = Object.keys(findings.uniformity) as WorkMetric[];
  const context: PageContext = {
    result,
    findings,
    answer: answerOf(result, findings),
    table: tableOf(result),
    metrics: leading === null ? [] : [leading, ...measured.filter((metric) => metric !== leading)],
    id: (name) => `r${index + 1}-${name}`,
  };
  const drawn = (sections: readonly SectionOf[]) => sections.flatMap((section) => section(context) ?? []);
  const traced = isTrace(result);
  const [opening, first, chosen, rest] = traced
    ? [drawn([tracedPromptsSection]), [], [], drawn(aboutTrace)]
    : [[], drawn(overview), drawn(byMetric), drawn(aboutRun)];
  return html`<article id="${context.id('result')}">
${traced ? traceMasthead(context) : masthead(context)}
${opening.map((section) => sectionMarkup(section, context, 2))}
${evidenceHead([...first, ...chosen, ...rest], context)}
${first.map((section) => sectionMarkup(section, context))}
${chosen.length > 0 && html`<div class="by-metric">${metricSwitch(context)}${chosen.map((section) => sectionMarkup(section, context))}</div>`}
${rest.map((section) => sectionMarkup(section, context))}
</article>`;
}

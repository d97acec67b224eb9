import type { Findings } from '../../analysis/findings.js';
import { observe } from '../../analysis/observations.js';
import type { Result } from '../../core/result.js';
import type { WorkMetric } from '../../core/work.js';
import { leadingMetric } from '../headline.js';
import { renderDocument } from './document.js';
import { type Html, html } from './html.js';
import { masthead } from './masthead.js';
import { metricSwitch } from './metric-panels.js';
import type { PageContext, Section } from './page-context.js';
import { cellsSection } from './sections/cells.js';
import { driversSection } from './sections/drivers.js';
import { effectiveTokens } from './sections/effective-tokens.js';
import { experimentsSection } from './sections/experiments.js';
import { latencySection } from './sections/latency.js';
import { machineSection } from './sections/machine.js';
import { methodSection } from './sections/method.js';
import { requestsScatter } from './sections/requests.js';
import { rooflineSection } from './sections/roofline.js';
import { stagesSection } from './sections/stages.js';
import { timelineSection } from './sections/timeline.js';
import { troubleSection } from './sections/trouble.js';
import { uniformityOverview } from './sections/uniformity-overview.js';
import { whoPays } from './sections/who-pays.js';

/** In reading order; those before the switch speak of all metrics, those after it of the chosen one. */
const overview: readonly SectionOf[] = [uniformityOverview];
const byMetric: readonly SectionOf[] = [whoPays, requestsScatter, effectiveTokens, driversSection];
const aboutRun: readonly SectionOf[] = [
  stagesSection,
  experimentsSection,
  latencySection,
  rooflineSection,
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
    body: html`<header class="bar"><span class="brand">tokenwork</span><button type="button" data-theme-switch>Theme</button></header>
<main>${pages}${footer}</main>`,
  });
}

const footer = html`<footer>Made by tokenwork, which measures whether tokens track the work a model really does. This page is one file: it loads nothing and sends nothing. Charts are drawn with Apache ECharts.</footer>`;

function articleOf(result: Result, findings: Findings, index: number): Html {
  const leading = leadingMetric(findings);
  const measured = Object.keys(findings.uniformity) as WorkMetric[];
  const context: PageContext = {
    result,
    findings,
    observations: observe(result),
    metrics: leading === null ? [] : [leading, ...measured.filter((metric) => metric !== leading)],
    id: (name) => `r${index + 1}-${name}`,
  };
  const drawn = (sections: readonly SectionOf[]) => sections.flatMap((section) => section(context) ?? []);
  const [first, chosen, rest] = [drawn(overview), drawn(byMetric), drawn(aboutRun)];
  return html`<article id="${context.id('result')}">
${masthead(context)}
${contents([...first, ...chosen, ...rest], context)}
${first.map((section) => sectionMarkup(section, context))}
${chosen.length > 0 && html`<div class="by-metric">${metricSwitch(context)}${chosen.map((section) => sectionMarkup(section, context))}</div>`}
${rest.map((section) => sectionMarkup(section, context))}
</article>`;
}

function contents(sections: readonly Section[], { id }: PageContext): Html {
  return html`<nav class="contents" aria-label="Contents"><ul>${sections.map(
    ({ name, short }) => html`<li><a href="#${id(name)}">${short}</a></li>`,
  )}</ul></nav>`;
}

function sectionMarkup({ name, title, lead, body }: Section, { id }: PageContext): Html {
  return html`<section id="${id(name)}" aria-labelledby="${id(name)}-title">
<h2 id="${id(name)}-title">${title}</h2>
${lead && html`<p class="lead">${lead}</p>`}
${body}
</section>`;
}

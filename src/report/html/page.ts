import { type Findings, findingsOf } from '../../analysis/findings.js';
import { observe } from '../../analysis/observations.js';
import type { Result } from '../../core/result.js';
import type { WorkMetric } from '../../core/work.js';
import { leadingMetric } from '../headline.js';
import { renderDocument } from './document.js';
import { type Html, html } from './html.js';
import { masthead } from './masthead.js';
import { metricSwitch } from './metric-panels.js';
import type { PageContext, Section } from './page-context.js';
import { uniformityOverview } from './sections/uniformity-overview.js';
import { whoPays } from './sections/who-pays.js';

/** In reading order; those before the switch speak of all metrics, those after it of the chosen one. */
const overview: readonly SectionOf[] = [uniformityOverview];
const byMetric: readonly SectionOf[] = [whoPays];
const aboutRun: readonly SectionOf[] = [];

/** `null` where a result has nothing to show there. */
type SectionOf = (context: PageContext) => Section | null;

/** The page about one result or several. Throws as `findingsOf` does. */
export function renderPage(results: readonly Result[]): string {
  const pages = results.map((result, index) => articleOf(result, findingsOf(result), index));
  const suites = [...new Set(results.map(({ run, hardware }) => `${run.suite} on ${hardware.id}`))];
  return renderDocument({
    title: `tokenwork: ${suites.join(', ')}`,
    body: html`<header class="bar"><span class="brand">tokenwork</span><button type="button" data-theme-switch>Theme</button></header>
<main>${pages}</main>`,
  });
}

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
    ({ name, title }) => html`<li><a href="#${id(name)}">${title}</a></li>`,
  )}</ul></nav>`;
}

function sectionMarkup({ name, title, lead, body }: Section, { id }: PageContext): Html {
  return html`<section id="${id(name)}" aria-labelledby="${id(name)}-title">
<h2 id="${id(name)}-title">${title}</h2>
${lead && html`<p class="lead">${lead}</p>`}
${body}
</section>`;
}

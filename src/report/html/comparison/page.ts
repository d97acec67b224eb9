import type { Comparison } from '../../../analysis/compare/compare.js';
import { perCellMetrics } from '../../tables/comparison.js';
import { type ComparedNames, comparisonHeadline, leadingComparison } from '../../words/comparison.js';
import { renderDocument } from '../document.js';
import { evidenceHead, pageBody, sectionMarkup } from '../frame.js';
import { type Html, html } from '../html.js';
import { metricSwitch } from '../metric-panels.js';
import type { Section } from '../page-context.js';
import { explained } from '../words.js';
import { bothSides, means, ratios } from './charts.js';
import type { ComparisonContext } from './context.js';
import { machines, method, settings, shape } from './sections.js';

/** The page about one comparison or several with the same baseline. */
export function renderComparisonPage(
  compared: readonly { comparison: Comparison; names: ComparedNames }[],
): string {
  const candidates = compared.map(({ names }) => names.candidate).join(', ');
  return renderDocument({
    title: `tokenwork: ${candidates} against ${compared[0]?.names.baseline}`,
    body: pageBody(compared.map(({ comparison, names }, index) => articleOf(comparison, names, index))),
  });
}

function articleOf(comparison: Comparison, names: ComparedNames, index: number): Html {
  const leading = leadingComparison(comparison);
  const context: ComparisonContext = {
    comparison,
    names,
    metrics: perCellMetrics(comparison).toSorted((a, b) => Number(b === leading) - Number(a === leading)),
    id: (name) => `d${index + 1}-${name}`,
  };
  const drawn = (sections: readonly SectionOf[]) => sections.flatMap((section) => section(context) ?? []);
  const [first, chosen, rest] = [
    drawn([settings, means]),
    drawn([ratios, bothSides]),
    drawn([machines, shape, method]),
  ];
  return html`<article id="${context.id('comparison')}">
<header class="masthead">
<p class="kicker">What changed, and is it real? ${names.candidate} against ${names.baseline}</p>
<h1>${explained(comparisonHeadline(comparison))}</h1>
${comparison.warnings.map(({ message, hint }) => html`<p class="notice">${message} ${hint}</p>`)}
</header>
${evidenceHead([...first, ...chosen, ...rest], context)}
${first.map((section) => sectionMarkup(section, context))}
${chosen.length > 0 && html`<div class="by-metric">${metricSwitch(context, 'Compared by')}${chosen.map((section) => sectionMarkup(section, context))}</div>`}
${rest.map((section) => sectionMarkup(section, context))}
</article>`;
}

/** `null` where a comparison has nothing to show there. */
type SectionOf = (context: ComparisonContext) => Section | null;

import { describeFailures } from '../findings.js';
import { headline } from '../headline.js';
import { setting } from '../setting.js';
import { type Html, html } from './html.js';
import type { PageContext } from './page-context.js';

/** What the page says first: the answer, what was run, and what went wrong. */
export function masthead({ result, findings, id }: PageContext): Html {
  const { run, warnings } = result;
  const [what, ...rest] = setting(result);
  return html`<header class="masthead">
<p class="kicker">Do tokens track work? ${run.suite} on ${result.hardware.id}, ${run.startedAt.slice(0, 10)}</p>
<h1>${headline(findings)}</h1>
<p class="setting">${what}<br>${rest[0]}</p>
${notices(result, id('warnings'), warnings.length)}
</header>`;
}

function notices(result: PageContext['result'], warningsId: string, warnings: number): Html {
  const { run, requests } = result;
  const lines = [
    ...(run.complete
      ? []
      : [`The run was cut short: ${requests.length} of ${run.plannedRequests} planned requests were run.`]),
    ...describeFailures(result),
  ];
  return html`${lines.map((line) => html`<p class="notice">${line}</p>`)}${
    warnings > 0 &&
    html`<p class="notice"><a href="#${warningsId}">${warnings === 1 ? '1 warning' : `${warnings} warnings`}</a></p>`
  }`;
}

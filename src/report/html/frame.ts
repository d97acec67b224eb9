import { type Html, html, type Part } from './html.js';
import { type PageContext, type Section, sectionId } from './page-context.js';
import { explained, wordList } from './words.js';

/** The frame that all pages have around their articles. */
export function pageBody(articles: readonly Html[]): Html {
  const all = html`${articles}`;
  return html`<header class="bar"><span class="brand">tokenwork</span><button type="button" data-theme-switch>Theme</button></header>
<main>${all}${wordList(all)}${footer}</main>`;
}

const footer = html`<footer>Made by tokenwork, which measures whether tokens track the work a model really does. This page is one file: it loads nothing and sends nothing. <span class="on-paper">Parts that were folded on the screen are not printed.</span> Charts are drawn with Apache ECharts.</footer>`;

/** The heading over what an answer rests on, and the way to each part. */
export function evidenceHead(sections: readonly Section[], { id }: Pick<PageContext, 'id'>): Html {
  return html`<div class="evidence"><h2>Evidence</h2><button type="button" data-unfold>Unfold all</button></div>
<nav class="contents" aria-label="Contents"><ul>${sections.map(
    ({ name, short }) => html`<li><a href="#${sectionId(name, id)}">${short}</a></li>`,
  )}</ul></nav>`;
}

/** A section under its heading; where it is for experts, folded. A browser unfolds it for whoever is sent into it. */
export function sectionMarkup(
  { name, title, lead, body, folded }: Section,
  { id }: Pick<PageContext, 'id'>,
  level: 2 | 3 = 3,
): Html {
  const own = sectionId(name, id);
  const heading =
    level === 2 ? html`<h2 id="${own}-title">${title}</h2>` : html`<h3 id="${own}-title">${title}</h3>`;
  const content = html`${lead && html`<p class="lead">${told(lead)}</p>`}
${body}`;
  if (folded === undefined) {
    return html`<section id="${own}" aria-labelledby="${own}-title">
${heading}
${content}
</section>`;
  }
  return html`<section class="folded" aria-labelledby="${own}-title"><details>
<summary>${heading}<span>${folded}</span></summary>
<div id="${own}">${content}</div>
</details></section>`;
}

function told(lead: Part): Part {
  return typeof lead === 'string' ? explained(lead) : lead;
}

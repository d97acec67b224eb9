import { type Html, html, type Part } from './html.js';
import { type PageContext, type Section, sectionId } from './page-context.js';

/** The frame that all pages have around their articles. */
export function pageBody(articles: Part): Html {
  return html`<header class="bar"><span class="brand">tokenwork</span><button type="button" data-theme-switch>Theme</button></header>
<main>${articles}${footer}</main>`;
}

const footer = html`<footer>Made by tokenwork, which measures whether tokens track the work a model really does. This page is one file: it loads nothing and sends nothing. Charts are drawn with Apache ECharts.</footer>`;

export function contents(sections: readonly Section[], { id }: Pick<PageContext, 'id'>): Html {
  return html`<nav class="contents" aria-label="Contents"><ul>${sections.map(
    ({ name, short }) => html`<li><a href="#${sectionId(name, id)}">${short}</a></li>`,
  )}</ul></nav>`;
}

export function sectionMarkup({ name, title, lead, body }: Section, { id }: Pick<PageContext, 'id'>): Html {
  const own = sectionId(name, id);
  return html`<section id="${own}" aria-labelledby="${own}-title">
<h2 id="${own}-title">${title}</h2>
${lead && html`<p class="lead">${lead}</p>`}
${body}
</section>`;
}

import { escapeHtml } from './html.js';

/**
 * A tooltip's content, which ECharts puts in as markup: a title and rows of name and value, all escaped. No
 * style attributes, as the page's policy forbids them.
 */
export function tooltipMarkup(
  title: string,
  rows: readonly (readonly [name: string, value: string])[],
): string {
  const lines = rows.map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`);
  return `<strong>${escapeHtml(title)}</strong><dl>${lines.join('')}</dl>`;
}

import { failuresTable } from '../../tables/run.js';
import { html } from '../html.js';
import type { PageContext, Section } from '../page-context.js';
import { htmlTable } from '../table.js';

/** Warnings, and the requests that failed with the reason of each. */
export function troubleSection({ result }: PageContext): Section | null {
  const { warnings } = result;
  const { title, columns } = failuresTable(result);
  const failed = columns[0]!.text.length === 0 ? null : htmlTable(columns, title, { prose: true });
  if (warnings.length === 0 && failed === null) return null;
  return {
    name: 'warnings',
    short: 'Warnings',
    title:
      failed === null
        ? 'Warnings'
        : warnings.length === 0
          ? 'Failed requests'
          : 'Warnings and failed requests',
    body: html`${
      warnings.length > 0 &&
      html`<ul class="warnings">${warnings.map(
        ({ code, message, hint }) => html`<li><strong>${message}</strong> ${hint} <code>${code}</code></li>`,
      )}</ul>`
    }${failed}`,
  };
}

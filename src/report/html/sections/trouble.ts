import { isOk } from '../../../core/result.js';
import { type Html, html } from '../html.js';
import type { PageContext, Section } from '../page-context.js';
import { htmlTable, numberColumn, textColumn } from '../table.js';

/** Warnings, and the requests that failed with the reason of each. */
export function troubleSection(context: PageContext): Section | null {
  const { warnings } = context.result;
  const failed = failures(context);
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

/** Most of a run's failures are alike: one row for each reason and cell. */
function failures({ result }: PageContext): Html | null {
  const alike = new Map<string, { cell: string; code: string; message: string; count: number }>();
  for (const request of result.requests) {
    if (isOk(request)) continue;
    const { code, message } = request.outcome;
    const key = JSON.stringify([request.cell, code, message]);
    const known = alike.get(key) ?? { cell: request.cell, code, message, count: 0 };
    known.count++;
    alike.set(key, known);
  }
  const rows = [...alike.values()].sort((a, b) => b.count - a.count);
  if (rows.length === 0) return null;
  return htmlTable(
    [
      textColumn(
        'cell',
        rows.map(({ cell }) => cell),
      ),
      numberColumn(
        'failed',
        rows.map(({ count }) => String(count)),
        'requests',
      ),
      textColumn(
        'reason',
        rows.map(({ code }) => code),
      ),
      textColumn(
        'message',
        rows.map(({ message }) => message),
      ),
    ],
    'Failed requests',
    { prose: true },
  );
}

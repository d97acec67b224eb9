import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { messageOf, TokenworkError } from '../../core/errors.js';
import { type Html, html } from './html.js';

export interface PageDocument {
  title: string;
  body: Html;
}

/** Before the first paint: the theme that the reader chose, and that controls work. */
const earlyScript = `document.documentElement.classList.add('js');
try { const theme = localStorage.getItem('tokenwork-theme'); if (theme) document.documentElement.dataset.theme = theme; } catch {}`;

const icon =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='3' fill='%230b63ad'/%3E%3Cpath d='M3 12Q9 11 13 3M3 12L13 3' fill='none' stroke='white' stroke-width='1.5'/%3E%3C/svg%3E";

/**
 * A whole page in one file that loads nothing: style and scripts are inlined and named by hash in its
 * Content-Security-Policy, so that no markup from a result could run or fetch anything even if it got in.
 */
export function renderDocument({ title, body }: PageDocument, assets: PageAssets = pageAssets()): string {
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(earlyScript)} ${hashOf(assets.script)}`,
    `style-src ${hashOf(assets.style)}`,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const [before, script, style, after] = [earlyScript, assets.script, assets.style, body.markup];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
${html`<meta http-equiv="Content-Security-Policy" content="${policy}">`.markup}
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
${
  html`<title>${title}</title>
<link rel="icon" href="${icon}">`.markup
}
<style>${style}</style>
<script>${before}</script>
</head>
<body>
${after}
<script>${script}</script>
</body>
</html>
`;
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

interface PageAssets {
  script: string;
  style: string;
}

let read: PageAssets | undefined;

/**
 * The page's script (charts included) and style, as the build left them. Throws TokenworkError
 * `page-assets-missing`.
 */
function pageAssets(): PageAssets {
  read ??= { script: asset('client-bundle.js'), style: asset('client-bundle.css') };
  return read;
}

function asset(name: string): string {
  const folder = import.meta.url.endsWith('.ts') ? '../../../dist/report/html/' : './';
  try {
    return readFileSync(new URL(`${folder}${name}`, import.meta.url), 'utf8');
  } catch (cause) {
    throw new TokenworkError(
      'page-assets-missing',
      `A part of the page is missing from this installation: ${messageOf(cause)}.`,
      'Install tokenwork again, or run `npm run build` in a checkout.',
      { cause },
    );
  }
}

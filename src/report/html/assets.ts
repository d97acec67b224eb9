import { readFileSync } from 'node:fs';
import { messageOf, TokenworkError } from '../../core/errors.js';

export interface PageAssets {
  script: string;
  style: string;
}

let read: PageAssets | undefined;

/**
 * The page's script (charts included) and style, as the build left them. Throws TokenworkError
 * `page-assets-missing`.
 */
export function pageAssets(): PageAssets {
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

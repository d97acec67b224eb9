import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findingsOf } from '#tokenwork/analysis/findings.js';
import { chromiumPath, launchChromium } from '#tokenwork/report/html/chromium.test-support.js';
import { largeResult } from '#tokenwork/report/html/large-result.test-support.js';
import { renderPage } from '#tokenwork/report/html/page.js';
import { quantile } from '#tokenwork/stats/quantile.js';
import type { Figure, Measured } from './figure.js';

const requests = 100_000;
const openings = 7;

export const pageOpen: Figure[] = [
  {
    id: 'page-open',
    what: 'opening the page about 100,000 requests, until its first charts answer, seconds',
    target: 3,
    comparison: '<=',
    unavailable: chromiumPath === undefined ? 'there is no Chromium' : null,
    measure: opening,
  },
];

/** A new browser each time, so that no compiled script is left from the time before. */
async function opening(say: (text: string) => void): Promise<Measured> {
  const result = largeResult(requests);
  const markup = renderPage([{ result, findings: findingsOf(result, { resamples: 20 }) }]);
  say(`${(Buffer.byteLength(markup) / 1e6).toFixed(1)} MB`);
  const folder = mkdtempSync(join(tmpdir(), 'tokenwork-page-open-'));
  const path = join(folder, 'report.html');
  writeFileSync(path, markup);
  try {
    const seconds: number[] = [];
    for (let k = 0; k < openings; k++) seconds.push(await openOnce(path));
    return { value: quantile(seconds, 0.5)!, spread: [quantile(seconds, 0.25)!, quantile(seconds, 0.75)!] };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function openOnce(path: string): Promise<number> {
  const browser = await launchChromium();
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    const begin = process.hrtime.bigint();
    await page.goto(`file://${path}`);
    await page.locator('figure.chart[data-drawn]').first().waitFor();
    return Number(process.hrtime.bigint() - begin) / 1e9;
  } finally {
    await browser.close();
  }
}

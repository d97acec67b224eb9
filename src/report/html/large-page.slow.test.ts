import { beforeAll, describe, expect, it } from 'vitest';
import { findingsOf } from '../../analysis/findings.js';
import { chromiumPath, drawAll, launchChromium, openPage, unfold } from './chromium.test-support.js';
import { largeResult } from './large-result.test-support.js';
import { renderPage } from './page.js';

/** A browser on a busy machine is slow. */
const timeout = 180_000;

describe('a result of 100,000 requests', { timeout }, () => {
  let markup: string;
  beforeAll(() => {
    const result = largeResult(100_000);
    markup = renderPage([{ result, findings: findingsOf(result, { resamples: 20 }) }]);
  }, 300_000);

  it('makes a page of less than 8 MB that says what it left out', () => {
    expect(Buffer.byteLength(markup)).toBeLessThan(8e6);
    expect(markup).toContain('2000 of 100000 requests, taken at even steps');
    expect(markup).toContain('of 1000 of 100000 requests');
    expect(markup).toContain('drawn as one block that says how many they are');
    expect(markup).toMatch(/The 50 cheapest and dearest by CPU time per billed token of \d+ cells/);
  });

  it.skipIf(chromiumPath === undefined)('draws every chart', async () => {
    const browser = await launchChromium();
    try {
      const { page, complaints } = await openPage(browser, markup);
      await unfold(page);
      await drawAll(page);
      expect(complaints).toEqual([]);
    } finally {
      await browser.close();
    }
  });
});

import { AxeBuilder } from '@axe-core/playwright';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareResults } from '../../analysis/compare/compare.js';
import { findingsOf } from '../../analysis/findings.js';
import { factorial, simulateResult } from '../../analysis/simulated-result.test-support.js';
import { chromiumPath, drawAll, launchChromium, openPage, unfold } from './chromium.test-support.js';
import { renderComparisonPage } from './comparison/page.js';
import { renderPage } from './page.js';
import { richResult } from './rich-result.test-support.js';

describe.skipIf(chromiumPath === undefined)('the page in Chromium', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());
  const result = richResult();
  const rich = renderPage([{ result, findings: findingsOf(result) }]);

  it.each(['light', 'dark'] as const)(
    'has no serious accessibility fault in the %s theme',
    async (colorScheme) => {
      const { page } = await openPage(browser, rich, { colorScheme });
      await unfold(page);
      await drawAll(page);
      for (const details of await page.locator('.chart details:visible').all())
        await details.locator('summary').click();
      const { violations } = await new AxeBuilder({ page }).analyze();
      const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
      expect(grave.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
    },
  );

  it.each([1000, 400])('of a comparison has no serious barrier, %d pixels wide', async (width) => {
    const cells = factorial([16, 64, 256], [8, 32], () => 1);
    const [before, after] = [1, 1.2].map((rate, index) =>
      simulateResult(
        cells.map((cell, at) => ({ ...cell, rate: at < 3 ? rate : 1 })),
        { seed: index + 1, repetitions: 8, noise: 0.01 },
      ),
    );
    const comparisons = compareResults(before!, [after!]).map((comparison) => ({
      comparison,
      names: { baseline: 'before.json', candidate: 'after.json' },
    }));
    const viewport = { width, height: 800 };
    const { page } = await openPage(browser, renderComparisonPage(comparisons), { viewport });
    await page.locator('#d1-means-chart[data-drawn]').waitFor();
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')).toEqual([]);
  });
});

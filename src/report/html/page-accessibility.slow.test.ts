import { AxeBuilder } from '@axe-core/playwright';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findingsOf } from '../../analysis/findings.js';
import { chromiumPath, drawAll, launchChromium, openPage } from './chromium.test-support.js';
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
      await drawAll(page);
      for (const details of await page.locator('details:visible').all())
        await details.locator('summary').click();
      const { violations } = await new AxeBuilder({ page }).analyze();
      const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
      expect(grave.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
    },
  );
});

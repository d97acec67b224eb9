import { readFileSync } from 'node:fs';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findingsOf } from '../../analysis/findings.js';
import { testResult } from '../../analysis/result.test-support.js';
import { readResult } from '../../core/migrate.js';
import type { Result } from '../../core/result.js';
import { chromiumPath, drawAll, launchChromium, openPage, unfold } from './chromium.test-support.js';
import { hostileResult } from './hostile-result.test-support.js';
import { renderPage } from './page.js';
import { richResult } from './rich-result.test-support.js';

const pageOf = (result: Result) => renderPage([{ result, findings: findingsOf(result) }]);

/** A real one, which was measured on a CPU. */
function sharedResult(): Result {
  const path = '../../../results/epyc-2c-24g/quick-2026-11-28.json';
  return readResult(JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')));
}

/** A browser on a busy machine is slow. */
const timeout = 180_000;

describe.skipIf(chromiumPath === undefined)('the page in Chromium', { timeout }, () => {
  let browser: Browser;
  const rich = pageOf(richResult());
  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
  });
  afterAll(() => browser?.close());

  it('draws every chart without a complaint, and asks for nothing', async () => {
    const { page, complaints, requests } = await openPage(browser, rich);
    await unfold(page);
    for (const metric of await page.locator('[data-metric-switch] input').all()) {
      await metric.check();
      await drawAll(page);
    }
    const charts = await page.locator('figure.chart').count();
    expect(await page.locator('figure.chart[data-drawn] svg').count()).toBe(charts);
    expect(complaints).toEqual([]);
    expect(requests).toEqual([]);
  });

  it('shows its charts and its numbers without script', async () => {
    const { page, complaints } = await openPage(browser, rich, { javaScriptEnabled: false });
    for (const fold of await page.locator('.folded summary').all()) await fold.click();
    const plots = await page.locator('figure.chart:visible .plot > svg').all();
    expect(plots.length).toBeGreaterThan(8);
    for (const plot of plots) expect((await plot.boundingBox())!.height).toBeGreaterThan(80);
    expect(await page.locator('[data-theme-switch]').isVisible()).toBe(false);
    expect(complaints).toEqual([]);
  });

  it('says what is under the pointer', async () => {
    const { page } = await openPage(browser, rich);
    await drawAll(page);
    const plot = page.locator('#r1-misbilled .plot');
    await plot.scrollIntoViewIfNeeded();
    const dot = (await plot.locator('path[fill="var(--accent)"]').first().boundingBox())!;
    await page.mouse.move(dot.x + dot.width / 2, dot.y + dot.height / 2);
    const tip = plot.locator('.tip');
    await tip.getByText('95% interval').waitFor();
    expect(await tip.textContent()).toContain('Energy');
  });

  it('says to the keyboard what it says to the pointer', async () => {
    const { page } = await openPage(browser, rich);
    await drawAll(page);
    const figure = page.locator('#r1-requests-energy');
    await figure.locator('.plot').focus();
    await page.keyboard.press('ArrowRight');
    await figure.locator('.tip').getByText('billed').waitFor();
    expect(await figure.locator('.spoken').textContent()).toContain('tokens');
    await page.keyboard.press('Escape');
    await figure.locator('.tip').waitFor({ state: 'hidden' });
  });

  it('zooms the time line by buttons and wheel, and shows all again', async () => {
    const { page } = await openPage(browser, rich);
    await unfold(page);
    await drawAll(page);
    const figure = page.locator('#r1-timeline');
    const labels = () => figure.locator('svg text').allTextContents();
    const whole = await labels();
    await figure.getByRole('button', { name: 'Zoom in' }).click();
    await expect.poll(labels).not.toEqual(whole);
    const closer = await labels();
    await figure.getByRole('button', { name: 'Later' }).click();
    await expect.poll(labels).not.toEqual(closer);
    await figure.getByRole('button', { name: 'Show all' }).click();
    await expect.poll(labels).toEqual(whole);
    await figure.locator('.plot').hover({ position: { x: 400, y: 60 } });
    await page.keyboard.down('Control');
    await page.mouse.wheel(0, -300);
    await page.keyboard.up('Control');
    await expect.poll(labels).not.toEqual(whole);
  });

  it('colours requests by the factor that is chosen', async () => {
    const { page } = await openPage(browser, rich);
    await drawAll(page);
    const figure = page.locator('#r1-requests-energy');
    const legend = () => figure.locator('svg text').allTextContents();
    const select = figure.getByLabel('Colour by');
    for (const value of ['promptTokens', 'completionTokens']) {
      await select.selectOption(value);
      await expect.poll(legend).toContain(value === 'promptTokens' ? '512' : '128');
      expect((await legend()).includes('512')).toBe(value === 'promptTokens');
    }
  });

  it('says its answer on one screen, and nothing of it beside the screen', async () => {
    const result = sharedResult();
    const real = renderPage([{ result, findings: findingsOf(result, { resamples: 100 }) }]);
    const { page } = await openPage(browser, real, { viewport: { width: 1280, height: 800 } });
    const { y, height } = (await page.locator('.masthead').boundingBox())!;
    expect(y + height).toBeLessThan(800);
    for (const part of ['h1', '.stats > div', '.pays > .over', '.pays > .under', '.pays > div:last-child']) {
      expect(await page.locator(part).first().textContent()).toMatch(/\S/);
    }
    expect(await page.locator('.stats > div').count()).toBe(3);
  });

  it('explains a word under the pointer, to the keyboard and to a finger, until Escape', async () => {
    const { page } = await openPage(browser, rich, { hasTouch: true });
    const word = page.locator('h1 .word', { hasText: 'per-token bill' });
    const note = page.getByRole('tooltip');
    const open = [() => word.hover(), () => word.focus(), () => word.tap()];
    for (const explain of open) {
      await explain();
      await note.getByText('one price for every token').waitFor();
      await page.keyboard.press('Escape');
      await note.waitFor({ state: 'hidden' });
      await page.mouse.move(0, 0);
      await word.blur();
    }
    expect(page.url()).not.toContain('#');
  });

  it('unfolds what is for experts where a link leads into it, and all at once', async () => {
    const { page } = await openPage(browser, rich);
    const strips = page.locator('#r1-timeline');
    expect(await strips.isVisible()).toBe(false);
    await page.getByRole('link', { name: 'Time line' }).click();
    await strips.waitFor();
    const table = page.getByRole('columnheader', { name: 'Gini' });
    expect(await table.isVisible()).toBe(false);
    await page.getByRole('button', { name: 'Unfold all' }).click();
    await table.waitFor();
    await page.getByRole('button', { name: 'Fold all' }).click();
    await table.waitFor({ state: 'hidden' });
  });

  it.each([1280, 400])('shows the cost of a token of every cell at %d px', async (width) => {
    const { page } = await openPage(browser, rich, { viewport: { width, height: 800 } });
    const table = page.getByRole('region', { name: 'Medians of every cell' });
    const heading = table.getByRole('columnheader', { name: '/token' }).first();
    const { x, width: wide } = (await heading.boundingBox())!;
    expect(x).toBeGreaterThan(0);
    expect(x + wide).toBeLessThanOrEqual(width);
    for (const cell of await table.locator('tbody th').all()) {
      expect((await cell.boundingBox())!.width).toBeGreaterThan(60);
    }
  });

  it('prints no frame without content, nothing beyond the paper, and no fold', async () => {
    const { page } = await openPage(browser, rich, { viewport: { width: 690, height: 1000 } });
    await drawAll(page);
    await page.emulateMedia({ media: 'print' });
    const visible = async (selector: string) => page.locator(`${selector}:visible`).all();
    for (const plot of await visible('.chart .plot svg')) {
      const { width, height } = (await plot.boundingBox())!;
      expect(Math.min(width, height)).toBeGreaterThan(60);
      expect(height).toBeLessThan(900);
    }
    for (const frame of await visible('.chart, .scroll, .folded, .stats > div, .pays > div')) {
      expect(await frame.textContent()).toMatch(/\S/);
    }
    expect(await visible('summary')).toEqual([]);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(690);
  });

  it('goes round the themes', async () => {
    const { page } = await openPage(browser, rich, { colorScheme: 'light' });
    const background = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
    const light = await background();
    const button = page.getByRole('button', { name: /Theme/ });
    await button.click();
    expect(await background()).toBe(light);
    await button.click();
    expect(await background()).not.toBe(light);
    await button.click();
    expect(await background()).toBe(light);
  });

  it.each([400, 320])('scrolls in no direction but down at %d px', async (width) => {
    const { page } = await openPage(browser, rich, { viewport: { width, height: 800 } });
    await unfold(page);
    await drawAll(page);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
  });

  it('runs nothing of a hostile result, wherever its text comes to stand', async () => {
    const { page, complaints, requests } = await openPage(browser, pageOf(hostileResult()));
    await unfold(page);
    await drawAll(page);
    for (const plot of await page.locator('.plot:visible').all()) {
      await plot.focus();
      for (let step = 0; step < 4; step++) await page.keyboard.press('ArrowRight');
      await plot.hover();
    }
    expect(await page.locator('.tip').count()).toBeGreaterThan(8);
    expect(await page.evaluate('window.attacked')).toBeUndefined();
    expect(await page.locator('body img, body script:not([type]), svg[onload]').count()).toBe(1);
    // A policy that had to refuse something would say so: nothing got even so far.
    expect(complaints).toEqual([]);
    expect(requests).toEqual([]);
  });

  it('opens with nothing measured', async () => {
    const { page, complaints } = await openPage(browser, pageOf(testResult()));
    expect(await page.locator('h1').textContent()).toContain('no work was measured');
    expect(complaints).toEqual([]);
  });
});

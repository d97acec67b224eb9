import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareResults } from '../../../analysis/compare/compare.js';
import { factorial, simulateResult } from '../../../analysis/simulated-result.test-support.js';
import type { Result } from '../../../core/result.js';
import { renderComparisonPage } from './page.js';

const cells = factorial([16, 64, 256], [8, 32], () => 1);
const run = (seed: number, slowdown = 1) =>
  simulateResult(
    cells.map((cell, index) => ({ ...cell, rate: index < 3 ? slowdown : 1 })),
    { seed, repetitions: 8, noise: 0.01 },
  );
const pageOf = (baseline: Result, candidates: readonly Result[]) =>
  renderComparisonPage(
    compareResults(baseline, candidates).map((comparison, index) => ({
      comparison,
      names: { baseline: 'before.json', candidate: `after-${index}.json` },
    })),
  );

describe('the page of a comparison', () => {
  const page = pageOf(run(1), [run(2, 1.2)]);

  it('says first what changed, and shows every cell with its verdict', () => {
    expect(page.replaceAll(/<\/?a\b[^>]*>/g, '')).toMatch(
      /<h1>The candidate took 1\.\d+× \[.*\] the baseline&#39;s CPU time; of 6 cells slower in 3/,
    );
    for (let index = 0; index < 6; index++) expect(page).toContain(`>cell-${index}</th>`);
  });

  it('names nothing that a browser would fetch, and allows no script but its own', () => {
    expect(page).toContain('default-src &#39;none&#39;');
    expect(page).not.toMatch(/(?:src|href)="(?!#|data:)/);
  });

  it('holds each candidate under ids of its own', () => {
    const both = pageOf(run(1), [run(2), run(3)]);
    const ids = [...both.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  (path) => existsSync(path),
);

describe.skipIf(executablePath === undefined)('in a browser', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-diff-'));
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox'] });
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(scratch, { recursive: true });
  });

  async function opened(html: string, width = 1000) {
    const path = join(scratch, 'page.html');
    writeFileSync(path, html);
    const context = await browser.newContext({ viewport: { width, height: 800 } });
    const page = await context.newPage();
    const faults: string[] = [];
    page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
    page.on('pageerror', (error) => faults.push(String(error)));
    page.on('request', (request) => {
      if (!/^(file|data):/.test(request.url())) faults.push(`fetched ${request.url()}`);
    });
    await page.goto(`file://${path}`);
    await page.locator('#d1-means-chart[data-drawn]').waitFor();
    return { page, faults };
  }

  it.each([1000, 400])('draws its charts %d pixels wide, without a fault', async (width) => {
    const { page, faults } = await opened(pageOf(run(1), [run(2, 1.2)]), width);
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBe(0);
    expect(faults).toEqual([]);
  });

  it('answers the keyboard with a point’s figures, and shows the metric chosen', async () => {
    const { page, faults } = await opened(pageOf(run(1), [run(2, 1.2)]));
    await page.locator('#d1-ratios-cpuTime').scrollIntoViewIfNeeded();
    await page.locator('#d1-ratios-cpuTime[data-drawn] .plot').focus();
    await page.keyboard.press('ArrowRight');
    await page.locator('#d1-ratios-cpuTime .spoken:has-text("cell-0")').waitFor({ state: 'attached' });
    await page.getByRole('radio', { name: 'TTFT' }).check();
    await page.locator('#d1-ratios-ttft').waitFor({ state: 'visible' });
    expect(await page.locator('#d1-ratios-cpuTime').isVisible()).toBe(false);
    expect(faults).toEqual([]);
  });

  it('runs nothing that a result brings along', async () => {
    const attack = '</script><script>window.owned = 1</script><img src=x onerror="window.owned=1">{{1}}\'"`';
    const hostile = (seed: number) => {
      const result = run(seed, seed);
      for (const cell of result.cells) cell.id += attack;
      for (const request of result.requests) request.cell += attack;
      result.models[0]!.dtype = `${attack}${seed}`;
      result.environment.packages[attack] = `${attack}${seed}`;
      return result;
    };
    const { page, faults } = await opened(pageOf(hostile(1), [hostile(2)]));
    await page.locator('#d1-ratios-cpuTime').scrollIntoViewIfNeeded();
    await page.locator('#d1-ratios-cpuTime[data-drawn] .plot').hover();
    expect(await page.evaluate('window.owned')).toBeUndefined();
    expect(await page.locator('img').count()).toBe(0);
    expect(faults).toEqual([]);
  });
});

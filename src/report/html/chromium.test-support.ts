/** A real browser for the tests of the page. Imported by tests only. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const places = [
  process.env.CHROMIUM_PATH ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** Where Chromium lies; `undefined` on a machine without it, where these tests are skipped. */
export const chromiumPath = places.find((place) => place !== '' && existsSync(place));

export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: chromiumPath!, args: ['--no-sandbox'] });
}

export interface OpenPage {
  page: Page;
  /** Errors and warnings in the console, among them what the page's policy refused. */
  complaints: string[];
  /** What the page asked for beyond its own file. */
  requests: string[];
}

/** Opens a page from a file, as a reader would. */
export async function openPage(
  browser: Browser,
  markup: string,
  options: BrowserContextOptions = {},
): Promise<OpenPage> {
  const folder = mkdtempSync(join(tmpdir(), 'tokenwork-page-'));
  const path = join(folder, 'report.html');
  writeFileSync(path, markup);
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.on('close', () => rmSync(folder, { recursive: true, force: true }));
  const [complaints, requests]: string[][] = [[], []];
  page.on('pageerror', (error) => complaints!.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints!.push(message.text());
  });
  page.on('request', (request) => {
    const url = request.url();
    if (url !== `file://${path}` && !url.startsWith('data:')) requests!.push(url);
  });
  await page.goto(`file://${path}`);
  return { page, complaints: complaints!, requests: requests! };
}

/** Unfolds what is for experts. */
export async function unfold(page: Page): Promise<void> {
  const button = page.locator('[data-unfold]');
  for (const own of await button.all()) if (await own.isVisible()) await own.click();
}

/** Scrolls through the page until every chart that is not hidden has been drawn anew. */
export async function drawAll(page: Page): Promise<void> {
  for (const figure of await page.locator('figure.chart:visible').all()) {
    await figure.scrollIntoViewIfNeeded();
    await page.locator(`#${await figure.getAttribute('id')}[data-drawn]`).waitFor();
  }
}

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../analysis/findings.js';
import { failedRequest, okRequest, realisticResult, testResult } from '../../analysis/result.test-support.js';
import type { Result } from '../../core/result.js';
import { attack, hostileResult } from './hostile-result.test-support.js';
import { renderPage } from './page.js';
import { richResult } from './rich-result.test-support.js';

const pageOf = (...results: Result[]) =>
  renderPage(results.map((result) => ({ result, findings: findingsOf(result) })));
const rich = richResult();
const page = pageOf(rich);

describe('the page', () => {
  it('says the headline, and draws every section', () => {
    expect(page).toMatch(/<h1>Tokens do not track the .*energy/);
    const titles = [...page.matchAll(/<h3[^>]*>([^<]*)/g)].map(([, title]) => title);
    expect(titles).toEqual([
      'By every measure of work',
      'Who pays for whom',
      'Every request: its work against its bill',
      'Effective tokens: the bill if tokens were work',
      'What makes the difference, and what would mend it',
      'Where the work goes, stage by stage',
      'How long it took',
      'How much of the machine was used',
      'The run as it happened',
      'Every cell of the workload',
      'What was measured, and how',
      'The machine and the run',
      'Warnings and failed requests',
    ]);
  });

  it('draws what the sensors read, power first, and only names what never moved', () => {
    const specs = [...page.matchAll(/<script type="application\/json">(\{"kind":"timeline".*?)<\/script>/g)];
    const { panels } = JSON.parse(specs[0]![1]!) as { panels: { name: string }[] };
    expect(panels.map(({ name }) => name)).toEqual(['Power', 'Resident memory']);
    expect(page).toContain('Always 0: system memory stall.');
  });

  it('loads nothing from anywhere', () => {
    // Namespaces are names and no addresses to load from; the charts' licence names its home.
    expect(page).not.toMatch(/\b(?:src|href|action|data|poster|xlink:href)="(?!#|data:)/);
    expect(page).not.toMatch(/@import|url\((?!#)/);
  });

  it('allows by hash what it inlines, and nothing else', () => {
    const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)![1]!;
    expect(policy).toContain('default-src &#39;none&#39;');
    expect(policy).not.toContain('unsafe');
    const inlined = [...page.matchAll(/<(?:script|style)>([\s\S]*?)<\/(?:script|style)>/g)];
    expect(inlined).toHaveLength(3);
    for (const [, text] of inlined) {
      const hash = createHash('sha256').update(text!).digest('base64');
      expect(policy).toContain(`sha256-${hash}`);
    }
  });

  it('has no style attribute, which its policy would refuse', () => {
    const body = page.slice(page.indexOf('<body>'), page.lastIndexOf('<script>'));
    expect(body).not.toMatch(/<[^>]*\sstyle=/);
  });

  it('gives every chart a table and every id to one element', () => {
    const figures = page.match(/<figure class="chart"/g)!.length;
    expect(page.match(/<details><summary>Numbers<\/summary>/g)).toHaveLength(figures);
    const ids = [...page.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('holds several results', () => {
    const both = pageOf(rich, realisticResult());
    expect(both.match(/<article/g)).toHaveLength(2);
    const ids = [...both.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('escapes whatever a result holds', () => {
    const hostile = pageOf(hostileResult());
    // The attack is there, in text, and never as it was.
    expect(hostile).toContain('&lt;img src=x onerror=window.attacked=1&gt;');
    expect(hostile).not.toContain('<img');
    expect(hostile).not.toContain(attack.slice(0, 12));
    expect(hostile.match(/<script>/g)).toHaveLength(2);
  });
});

describe('a result with little in it', () => {
  it('without a request that succeeded says so, and why they failed', () => {
    const failed = pageOf(testResult({ requests: [failedRequest()] }));
    expect(failed).toContain('no work was measured');
    expect(failed).toContain('1 of 1 request failed');
    expect(failed).toContain('The worker exited with code 9.');
  });

  it('without any request still gives a page', () => {
    expect(pageOf(testResult())).toContain('no work was measured');
    expect(pageOf(testResult({ cells: [] }))).toContain('no work was measured');
  });

  it('of one cell says that there is nothing to compare', () => {
    const one = pageOf(testResult({ requests: [okRequest(), okRequest({ id: 1, repetition: 1 })] }));
    expect(one).toContain('one cell has no other to be compared with');
    expect(one).toContain('<h2');
  });

  it('without ceilings, histograms and sensors leaves those out', () => {
    const plain = realisticResult();
    plain.hardware.ceilings = null;
    const bare = pageOf(plain);
    expect(bare).toContain('ceilings were not measured');
    expect(bare).not.toContain('time between tokens');
    expect(bare).toContain('No sensor was sampled');
  });

  it('where work is 0 or a histogram is broken still gives a page', () => {
    const odd = realisticResult();
    for (const request of odd.requests) {
      if (request.outcome.status !== 'ok') continue;
      (request as { interTokenLatency: string }).interTokenLatency = 'HISTFAAAAB4eJx';
      (request as { work: { cpuTime: number } }).work.cpuTime = 0;
    }
    expect(pageOf(odd)).toContain('<h1>');
  });
});

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { MetricRecord } from '../core/metrics.js';
import type { Result } from '../core/result.js';

const water: MetricRecord = {
  name: 'coolingWater',
  label: 'cooling water',
  heading: 'water',
  definition: 'water that the cooling of the request evaporates',
  unit: 'L',
  scale: [
    { name: 'µL', per: 1e-6 },
    { name: 'mL', per: 1e-3 },
    { name: 'L', per: 1 },
  ],
  kind: 'work',
  provenance: ['measured', 'unavailable'],
  addsUp: { stages: true, noTotal: null },
  spent: true,
  importance: 0,
  words: { less: 'less', more: 'more' },
  column: { priority: 96, perBilledToken: { heading: 'water/token', priority: 97 } },
  ofRequest: ({ work }) => work.coolingWater ?? null,
  ofStage: ({ work }) => work.coolingWater ?? null,
};

/** Two cells, the second three times as wet per token; `factor` times the water in all. */
async function wetResult(factor: number): Promise<Result> {
  const { factorial, simulateResult } = await import('../analysis/simulated-result.test-support.js');
  const { readResult } = await import('../core/migrate.js');
  const cells = factorial([16, 64, 128], [16, 128], (prompt) => (prompt === 64 ? 3 : 1));
  const dry = simulateResult(cells, { seed: 7, repetitions: 8, noise: 0.01 });
  return readResult({
    ...dry,
    metrics: {
      ...dry.metrics,
      coolingWater: { unit: 'L', provenance: 'measured', method: 'flow meter', reason: null, hint: null },
    },
    requests: dry.requests.map((row) =>
      row.work === undefined
        ? row
        : { ...row, work: { ...row.work, coolingWater: factor * 1e-12 * row.work.cpuTime! } },
    ),
  });
}

describe('a metric that is only a record in the registry', () => {
  let result: Result;
  let wetter: Result;
  beforeAll(async () => {
    // The registry is read where modules load, so they load anew, after the record has joined it.
    vi.resetModules();
    const { metrics } = await import('../core/metrics.js');
    metrics.push(water as (typeof metrics)[number]);
    [result, wetter] = [await wetResult(1), await wetResult(2)];
  });
  afterAll(() => vi.resetModules());
  const findings = async () => (await import('../analysis/findings.js')).findingsOf(result);
  const comparison = async () => {
    const { compareResults } = await import('../analysis/compare/compare.js');
    return compareResults(result, [wetter])[0]!;
  };

  it('heads the terminal report, with columns in the table of cells', async () => {
    const { renderRun } = await import('./terminal/run.js');
    const { renderFindings } = await import('./terminal/findings.js');
    const run = renderRun(result, { width: 160, color: false });
    expect(run).toMatch(/ water .* water\/token\n/);
    expect(run).toMatch(/ µL /);
    const text = renderFindings(await findings(), { width: 120, color: false });
    expect(text).toMatch(/^On this workload .* by cooling\s+water/);
    expect(text).toMatch(/\ncooling water {2,}\d/);
    expect(text).toContain('What makes cooling water per token vary:');
  });

  it('is on the page, chosen first', async () => {
    const { renderPage } = await import('./html/page.js');
    const page = renderPage([{ result, findings: await findings() }]);
    expect(page).toMatch(/value="coolingWater" checked/);
    expect(page).toContain('<div data-metric="coolingWater">');
    expect(page).toContain('water/token');
  });

  it('is on the card', async () => {
    const { costCard } = await import('../analysis/card/cost-card.js');
    const { renderCostCard } = await import('./markdown/cost-card.js');
    const card = costCard(result, await findings());
    expect(card.plainToken.map(({ figure }) => figure)).toContain('coolingWater');
    const text = renderCostCard(card, await findings(), result);
    expect(text).toContain('## How that changes, by cooling water');
    expect(text).toMatch(/\| Cooling water \| L \| water that .* evaporates \| measured \| flow meter \|/);
  });

  it('is compared in the terminal, in Markdown and on the page, in its own words', async () => {
    const found = await comparison();
    const names = { baseline: 'a', candidate: 'b' };
    const { renderComparison } = await import('./terminal/comparison.js');
    const { renderComparisonMarkdown } = await import('./markdown/comparison.js');
    const { renderComparisonPage } = await import('./html/comparison/page.js');
    const sentence = /The candidate took 2\.00× .*baseline's cooling water; of 6 cells\s+more in 6\./;
    for (const text of [
      renderComparison(found, names, { width: 160, color: false }),
      renderComparisonMarkdown(found, names),
    ]) {
      expect(text).toMatch(sentence);
      expect(text).toMatch(/2× more/);
    }
    expect(renderComparisonPage([{ comparison: found, names }])).toMatch(/value="coolingWater" checked/);
  });

  it('is in the JSON of findings and comparison, and bears a threshold', async () => {
    expect(Object.keys((await findings()).uniformity)).toContain('coolingWater');
    const found = await comparison();
    expect(found.geomean.coolingWater).toMatchObject({ verdict: 'more' });
    const { crossings, parseThreshold } = await import('../analysis/compare/fail-on.js');
    expect(crossings(found, [parseThreshold('coolingWater>50%')])[0]).toMatchObject({ cell: null });
    expect(crossings(found, [parseThreshold('coolingWater>150%')])).toEqual([]);
  });
});

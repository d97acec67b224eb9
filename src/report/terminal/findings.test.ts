import { describe, expect, it } from 'vitest';
import type { Findings, Uniformity } from '../../analysis/findings.js';
import { findingsOf } from '../../analysis/findings.js';
import { realisticResult, testResult } from '../../analysis/result.test-support.js';
import { factorial, simulateResult } from '../../analysis/simulated-result.test-support.js';
import { headline } from '../words/headline.js';
import { renderFindings } from './findings.js';

const plain = { width: 100, color: false };
const realistic = findingsOf(realisticResult(), { resamples: 200 });
const grid = (rateOf: (prompt: number) => number) => factorial([16, 64, 256, 512], [16, 64, 128], rateOf);
const simulated = (rateOf: (prompt: number) => number, repetitions = 5) =>
  findingsOf(simulateResult(grid(rateOf), { seed: 1, repetitions, noise: 0.05 }), { resamples: 200 });

/** The findings of a run in which CPU time came out as given. */
function withCpuTime(changes: Partial<Uniformity>): Findings {
  return { ...realistic, uniformity: { cpuTime: { ...realistic.uniformity.cpuTime!, ...changes } } };
}

describe('the headline', () => {
  it('says who pays for whom, how surely, why, and what noise alone would give', () => {
    const findings = withCpuTime({
      misbilledShare: {
        value: 0.2312,
        low: 0.2049,
        high: 0.2551,
        noiseFloor: 0.0203,
        verdict: 'non-uniform',
      },
      drivers: [
        { factor: 'promptTokens', share: 0.61 },
        { factor: 'unexplained', share: 0.39 },
      ],
    });
    expect(headline(findings)).toBe(
      'On this workload 23% [20–26%] of a per-token bill lands on the wrong requests, by CPU time; ' +
        'prompt length explains most of how work per token varies (variance of its logarithm); noise alone would give 2%.',
    );
  });

  it('names no share below 1% as misbilling, however surely it was measured', () => {
    const findings = withCpuTime({
      misbilledShare: { value: 0.0022, low: 0.0021, high: 0.0023, noiseFloor: 0, verdict: 'negligible' },
    });
    expect(headline(findings)).toMatch(/^On this workload tokens track CPU time: only 0\.22% .*below the 1%/);
  });

  it('claims nothing that noise could have done', () => {
    expect(headline(simulated(() => 1))).toMatch(
      /tokens track CPU time as well as can be told.*noise alone would give/,
    );
  });

  it('says why it can say nothing', () => {
    expect(headline(findingsOf(testResult()))).toBe(
      'Whether tokens track work is not known: no work was measured.',
    );
    const oneCell = findingsOf(
      simulateResult(
        factorial([16], [16], () => 1),
        { seed: 1, repetitions: 3, noise: 0.1 },
      ),
    );
    expect(headline(oneCell)).toMatch(/is not known: one cell has no other/);
    expect(headline(simulated((prompt) => 1 + prompt / 100, 1))).toMatch(/noise is not known/);
  });
});

describe('findings in a terminal', () => {
  it('have a row per measured metric, the worst five cells, drivers with bars, and what was not measured', () => {
    const text = renderFindings(realistic, plain);
    for (const metric of ['CPU time', 'KV cache held over time', 'FLOPs', 'memory traffic']) {
      expect(text).toMatch(new RegExp(`^${metric} `, 'm'));
    }
    expect(text).toMatch(/^p16\/c64 +0\.5\d\d×/m);
    expect(text.match(/^p\d+\/c\d+ /gm)).toHaveLength(5);
    expect(text).toMatch(/^promptTokens +\d+% █+/m);
    expect(text).toMatch(/^unexplained/m);
    expect(text).toMatch(/No findings on energy: permission/);
    expect(text).toMatch(/No findings on peak memory, KV cache size: requests hold it one after the\s+other/);
    expect(text).not.toMatch(/^(peak memory|KV cache size) /m);
  });

  it('keep to the width, and put no colour where none is wanted', () => {
    for (const width of [40, 60, 80, 120]) {
      const lines = renderFindings(realistic, { width, color: false }).split('\n');
      for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(width);
      expect(lines.join('')).not.toContain('\u001b');
    }
    expect(renderFindings(realistic, { width: 80, color: true })).toContain('\u001b[1m');
  });

  it('name no culprit where nothing is distinguishable', () => {
    const text = renderFindings(
      simulated(() => 1),
      plain,
    );
    expect(text).toContain('not distinguishable');
    expect(text).not.toContain('Farthest');
    expect(text).toContain('work per token does not vary beyond noise');
  });
});

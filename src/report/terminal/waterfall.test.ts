import { describe, expect, it } from 'vitest';
import type { Waterfall } from '../../analysis/stages/waterfall.js';
import { renderWaterfall } from './waterfall.js';

const stage = (name: string, processed: number, billed: number, effective: number) => ({
  name,
  component: name,
  processed,
  billed,
  effective,
  visibility: billed > 0 ? ('high' as const) : ('none' as const),
});
const hello: Waterfall = {
  of: 'hello',
  metric: 'cpuTime',
  requests: 1,
  billed: 3,
  effective: 60,
  stages: [stage('safety', 20, 0, 20), stage('retrieval', 38, 0, 38), stage('decode', 3, 3, 2)],
  inNoStage: 0,
};

describe('a waterfall in a terminal', () => {
  it('shows billed beside effective tokens, with bars that float from level to level', () => {
    const lines = renderWaterfall(hello, { width: 110, color: false }).split('\n');
    expect(lines[0]).toBe('hello: billed 3 tokens, worth 60 effective tokens by CPU time, 20× as many.');
    const bars = lines.slice(2).map((line) => /( *)([█▓░]+)$/.exec(line)?.[2] ?? '');
    expect(bars.map((bar) => bar[0])).toEqual(['█', '▓', '▓', '░', '█']);
    const ends = lines.slice(2).map((line) => line.length);
    // Safety ends where retrieval begins; the total ends where decode's fall does.
    expect(lines[4]!.indexOf('▓')).toBe(ends[1]);
    expect(lines[5]!.indexOf('░')).toBe(ends[4]);
  });

  it('keeps to the width, leaving out bars before figures', () => {
    for (const width of [30, 40, 60, 80, 140]) {
      const text = renderWaterfall(hello, { width, color: false });
      for (const line of text.split('\n')) expect(line.length, line).toBeLessThanOrEqual(width);
      expect(text).toContain('38');
    }
  });

  it('says why there is none', () => {
    const unknown = { ...hello, effective: null, inNoStage: null, reason: 'no request succeeded' };
    expect(renderWaterfall(unknown, { width: 100, color: false })).toContain(
      'is not known: no request succeeded.',
    );
  });
});

import { expect, it } from 'vitest';
import type { Knee } from '../../analysis/knee.js';
import { testResult } from '../../analysis/result.test-support.js';
import { sweepTable } from '../tables/sweep.js';
import { renderRun } from '../terminal/run.js';
import { renderTable } from '../terminal/table.js';
import { kneeSentence } from './knee.js';

const step = { requests: 200, failed: 0, achieved: 1, timeToFirstTokenNs: 120e6, slowdown: 1, left: null };
const knee: Knee = {
  ...{ model: 'm', percentile: 'p95', rate: 4, next: 8, reason: null },
  steps: [
    { ...step, rate: 2 },
    { ...step, rate: 4, timeToFirstTokenNs: 150e6, slowdown: 1.25 },
    { ...step, rate: 8, timeToFirstTokenNs: 372e6, slowdown: 3.1, left: 'slow' },
    { ...step, rate: 16, failed: 3, achieved: 0.6, timeToFirstTokenNs: 4e9, slowdown: 33.3, left: 'behind' },
  ],
};

it('the knee is told with what happens beyond it, and by which rule', () => {
  expect(kneeSentence(knee)).toBe(
    'The knee of m lies between 4 requests/s and 8 requests/s, where TTFT p95 rises to 372 ms, 3.10 times its flat part. ' +
      'A rate is held while answers keep up with 95% of requests and the TTFT p95 stays within 2 times its flat part.',
  );
  const behind = kneeSentence({ ...knee, rate: 8, next: 16 });
  expect(behind).toMatch(/16 requests\/s, where 60% of what arrives is answered in time\./);
  expect(kneeSentence({ ...knee, rate: null, next: null, reason: 'the highest rate was held' })).toMatch(
    /lies outside of this sweep: the highest rate was held\./,
  );
});

it('a sweep is a table with a row for each rate', () => {
  const lines = renderTable(sweepTable([knee]).columns, 100, String).split('\n');
  expect(lines).toHaveLength(6);
  expect(lines[5]!.trim().split(/\s{2,}/)).toEqual([
    '16',
    '200',
    '3',
    '60%',
    '4000',
    '33.3×',
    'falls behind',
  ]);
  expect(renderRun(testResult(), { width: 100, color: false })).not.toMatch(/sweep|knee/);
});

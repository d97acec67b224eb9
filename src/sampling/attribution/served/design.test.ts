import { expect, it } from 'vitest';
import { exactCurve } from '../../simulated-requests.test-support.js';
import { designOf } from './design.js';
import { type ServedRequest, timelineOf } from './timeline.js';
import { cutWindows } from './windows.js';

const second = 1e9;

/** Two requests whose steps end together at whole seconds: prefill to 2 s, then 4 and 8 steps of a second. */
const requests: ServedRequest[] = [4, 8].map((steps, id) => ({
  id,
  sentNs: 0,
  firstTokenNs: 2 * second,
  lastTokenNs: (2 + steps) * second,
  endNs: (2 + steps) * second + 1,
  promptTokens: 10,
  cachedTokens: null,
  completionTokens: steps + 1,
  failed: false,
  outputNs: Array.from({ length: steps + 1 }, (_, k) => (2 + k) * second),
}));

const windows = cutWindows(timelineOf(requests), {
  curve: exactCurve([
    [0, 0],
    [12, 1200],
  ]),
  startNs: 0,
  endNs: 12 * second,
  resolutionNs: 0.2 * second,
  quantum: 1,
});

it('cuts windows where steps end, and never within a prefill', () => {
  expect([...windows.endNs].map((at) => Math.round(at / second))).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 12]);
  expect(windows.amount[0]).toBe(200);
  expect(windows.idleNs.at(-1)! / second).toBeCloseTo(2, 6);
});

it('counts the work of a window: tokens, contexts, and steps shared by those that decode', () => {
  const { totals, requests: placed } = designOf(timelineOf(requests), windows);
  const [prefill, attention, decode, context, step] = totals.map((of) => [...of]);
  expect(prefill![0]).toBe(20);
  expect(attention![0]).toBe(2 * 55);
  // Two decode until 6 s, one until 10 s; each step is one, whoever shares it.
  expect(decode!.slice(1, 9)).toEqual([2, 2, 2, 2, 1, 1, 1, 1]);
  expect(step!.slice(1, 9)).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
  expect(context!.slice(1, 9)).toEqual([22, 24, 26, 28, 15, 16, 17, 18]);
  const ofFirst = placed[0]!;
  const steps = ofFirst.work.subarray(4 * ofFirst.windows).reduce((sum, value) => sum + value, 0);
  expect(steps).toBe(2);
});

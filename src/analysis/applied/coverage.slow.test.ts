import { expect, it } from 'vitest';
import {
  applied,
  bentLaw,
  decoderLaw,
  drawnLog,
  gridResult,
  type Law,
  trueShare,
} from './applied.test-support.js';

const draws = 200;
const log = drawnLog(1000, 7);

/** Draws whose interval holds the truth. */
function covered(law: Law, noise: number): number {
  const truth = trueShare(law, log);
  let held = 0;
  for (let seed = 1; seed <= draws; seed++) {
    const { low, high } = applied(gridResult(law, { seed, noise }), log).work.cpuTime!.misbilledShare;
    if (low <= truth && truth <= high) held++;
  }
  return held / draws;
}

// A binomial of 200 at 95% lies above this in 99.5% of tries; too wide is told by no share of draws.
const least = 0.905;

it.each([0.02, 0.05, 0.15])('covers the truth of a law that holds, with noise of %d', (noise) => {
  expect(covered(decoderLaw, noise)).toBeGreaterThan(least);
});

it.each([0.02, 0.05])('covers the truth of a law that bends, with noise of %d', (noise) => {
  expect(covered(bentLaw, noise)).toBeGreaterThan(least);
});

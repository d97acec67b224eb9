import { describe, expect, it } from 'vitest';
import { type ServedRequest, timelineOf } from './timeline.js';

const request = (id: number, sentNs: number, firstTokenNs: number | null, endNs: number): ServedRequest => ({
  id,
  sentNs,
  firstTokenNs,
  lastTokenNs: firstTokenNs === null ? null : endNs,
  endNs,
  promptTokens: 10,
  cachedTokens: null,
  completionTokens: 5,
  failed: false,
});

const beganOf = (...requests: ServedRequest[]) =>
  timelineOf(requests).placed.map(({ prefill }) => prefill.startNs);

describe('a prefill is taken to begin', () => {
  it('when its request was sent, where none was before it', () => {
    expect(beganOf(request(1, 100, 900, 5000))).toEqual([100]);
  });

  it('when the server says so', () => {
    expect(beganOf({ ...request(1, 100, 900, 5000), serverPrefillNs: 300 })).toEqual([600]);
    expect(beganOf({ ...request(1, 100, 900, 5000), serverPrefillNs: 3000 })).toEqual([100]);
  });

  it('when the prefill before it was done, not one of the same step', () => {
    // The median time between tokens is 1000, and what comes within a quarter of that is of one step.
    expect(beganOf(request(1, 0, 2000, 6000), request(2, 0, 5000, 9000), request(3, 0, 5100, 9100))).toEqual([
      0, 2000, 2000,
    ]);
  });

  it('when a slot became free, where as many decoded as ever did', () => {
    const [, , third] = beganOf(
      request(1, 0, 1000, 50_000),
      request(2, 0, 2000, 20_000),
      request(3, 5000, 24_000, 60_000),
    );
    expect(third).toBe(20_000);
  });
});

it('takes prompt tokens from a cache as not computed, yet attended to', () => {
  const [placed] = timelineOf([{ ...request(1, 0, 10, 50), promptTokens: 10, cachedTokens: 6 }]).placed;
  // Tokens 7 to 10 attend to 7, 8, 9 and 10 tokens.
  expect(placed).toMatchObject({ computed: 4, attention: 34, decoded: 4 });
});

it('spreads a request whose tokens came all at once over all its time', () => {
  const [placed] = timelineOf([{ ...request(1, 100, 900, 905), lastTokenNs: 900 }]).placed;
  expect(placed).toMatchObject({ prefill: { startNs: 100, endNs: 900 }, outputNs: [100, 905] });
});

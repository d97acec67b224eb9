import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { median } from '../../stats/quantile.js';
import { createRandom } from '../../stats/random.js';
import { counterCurve } from '../counter-curve.js';
import { exactCurve, readAsCounter, simulateRequests, truthOf } from '../simulated-requests.test-support.js';
import type { CumulativeCurve } from '../window.js';
import { attribute, attributionError, type Claim, quantum } from './attribute.js';

const second = 1e9;

const claim = (request: number, fromS: number, toS: number, busyS = toS - fromS): Claim => ({
  request,
  startNs: fromS * second,
  endNs: toS * second,
  busyNs: busyS * second,
});

function share(curve: CumulativeCurve, claims: Claim[], toS: number, deviceBusy?: CumulativeCurve) {
  return attribute({
    curve,
    startNs: 0,
    endNs: toS * second,
    claims,
    quantum: quantum.joules,
    ...(deviceBusy && { deviceBusy }),
  });
}

describe('attribute', () => {
  // 100 W for 4 s.
  const steady = exactCurve([
    [0, 0],
    [4, 400],
  ]);

  it('gives a request alone what the device used in its time, and the rest to idling', () => {
    const result = share(steady, [claim(7, 1, 3)], 4);
    expect(result).toMatchObject({ total: 400, requests: 200, idle: 200, unattributed: 0, unknownNs: 0 });
    expect(result.byRequest.get(7)).toBe(200);
  });

  it('divides an overlap in proportion to the busy time in it', () => {
    const result = share(steady, [claim(1, 0, 2, 2), claim(2, 1, 3, 1)], 4);
    // 1 s alone, then 1 s shared at rates 1 and ½, then 1 s alone.
    expect(result.byRequest.get(1)).toBeCloseTo(100 + 200 / 3, 5);
    expect(result.byRequest.get(2)).toBeCloseTo(100 / 3 + 100, 5);
    expect(result.idle).toBe(100);
  });

  it('adds up the stages of a request', () => {
    const result = share(steady, [claim(1, 0, 1), claim(1, 1, 2), claim(2, 1, 2)], 4);
    expect(result.byRequest.get(1)).toBeCloseTo(150, 5);
  });

  it('leaves to nobody what was used while requests ran that used nothing', () => {
    const result = share(steady, [claim(1, 0, 2, 0)], 4);
    expect(result).toMatchObject({ requests: 0, unattributed: 200, idle: 200 });
    expect(result.byRequest.get(1)).toBe(0);
  });

  it('leaves the neighbours’ part to nobody where it is known how busy the device was', () => {
    // Two cores busy, one of them with the request.
    const busy = exactCurve([
      [0, 0],
      [4, 8 * second],
    ]);
    const result = share(steady, [claim(1, 0, 4)], 4, busy);
    expect(result.byRequest.get(1)).toBeCloseTo(200, 5);
    expect(result.unattributed).toBeCloseTo(200, 5);
  });

  it('never gives requests more than there was, where their clocks claim more than the device’s', () => {
    const busy = exactCurve([
      [0, 0],
      [4, second],
    ]);
    expect(share(steady, [claim(1, 0, 4)], 4, busy)).toMatchObject({ requests: 400, unattributed: 0 });
  });

  it('counts only what lies within the span', () => {
    const result = attribute({
      curve: steady,
      startNs: second,
      endNs: 2 * second,
      claims: [claim(1, 0, 4), claim(2, 3, 4)],
      quantum: quantum.joules,
    });
    expect(result).toMatchObject({ total: 100, requests: 100 });
    expect(result.byRequest.get(2)).toBe(0);
  });

  it('leaves a gap of the sensor out of every figure, and says how long it was', () => {
    const holed = exactCurve(
      [
        [0, 0],
        [4, 400],
      ],
      [1, 2],
    );
    const result = share(holed, [claim(1, 0, 3)], 4);
    expect(result).toMatchObject({ total: 300, requests: 200, idle: 100, unknownNs: second });
  });

  it('refuses a request that was busy for less than nothing', () => {
    expect(() => share(steady, [claim(1, 0, 1, -1)], 4)).toThrow(RangeError);
    expect(() => share(steady, [claim(1, 0, 1, Number.NaN)], 4)).toThrow(RangeError);
  });

  it('conserves to the last bit, whatever overlaps', () => {
    const times = fc.tuple(
      fc.double({ min: 0, max: 4, noNaN: true }),
      fc.double({ min: 0, max: 4, noNaN: true }),
    );
    const claims = fc.array(fc.tuple(fc.nat(5), times, fc.double({ min: 0, max: 9, noNaN: true })), {
      maxLength: 30,
    });
    const steps = fc.array(fc.double({ min: 0, max: 1000, noNaN: true }), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(claims, steps, fc.boolean(), (rows, amounts, withBusy) => {
        let amount = 0;
        const curve = exactCurve([
          [0, 0],
          ...amounts.map((step, index): [number, number] => {
            amount += step;
            return [index + 1, amount];
          }),
        ]);
        const busy = exactCurve([
          [0, 0],
          [4, 3 * second],
        ]);
        const result = share(
          curve,
          rows.map(([request, [a, b], busyS]) => claim(request, Math.min(a, b), Math.max(a, b), busyS)),
          4,
          withBusy ? busy : undefined,
        );
        expect(result.requests + result.idle + result.unattributed).toBe(result.total);
        expect([...result.byRequest.values()].reduce((sum, value) => sum + value, 0)).toBe(result.requests);
        expect(Math.abs(result.total - amount)).toBeLessThanOrEqual(quantum.joules);
        for (const part of [result.idle, result.unattributed, ...result.byRequest.values()]) {
          expect(part).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });
});

describe('shares of simulated requests with known cost', () => {
  it.each([2, 4, 8, 16, 32, 64])('are right within a twentieth in the median at concurrency %d', (slots) => {
    const random = createRandom(slots);
    const phases = simulateRequests(random, slots);
    const truth = truthOf(phases);
    const result = attribute({
      curve: counterCurve(readAsCounter(truth, random), 2e7),
      startNs: 0.05 * second,
      endNs: (truth.endS - 0.05) * second,
      claims: phases.map(({ request, fromS, toS, rate }) => claim(request, fromS, toS, rate * (toS - fromS))),
      quantum: quantum.joules,
    });
    expect(result.requests + result.idle + result.unattributed).toBe(result.total);
    expect(result.unattributed).toBe(0);
    const pairs = truth.byRequest.map((alone, request) => ({
      alone,
      shared: result.byRequest.get(request)!,
    }));
    const error = attributionError(pairs)!;
    expect(error.median).toBeLessThanOrEqual(0.05);
    expect(error.largest).toBeLessThanOrEqual(0.2);
  });
});

describe('attributionError', () => {
  it('is the relative distance from what requests used alone', () => {
    const pairs = [
      { shared: 11, alone: 10 },
      { shared: 8, alone: 10 },
      { shared: 10, alone: 10 },
      { shared: 1, alone: 0 },
    ];
    expect(attributionError(pairs)).toEqual({ median: median([0.1, 0.2, 0]), largest: 0.2 });
    expect(attributionError([])).toBeNull();
  });
});

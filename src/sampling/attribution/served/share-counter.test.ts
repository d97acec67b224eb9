import { describe, expect, it } from 'vitest';
import { median } from '../../../stats/quantile.js';
import { createRandom } from '../../../stats/random.js';
import { exactCurve } from '../../simulated-requests.test-support.js';
import { quantum } from '../attribute.js';
import { type ServedShares, shareServedCounter } from './share-counter.js';
import {
  cpuCosts,
  type SimulatedServer,
  type SimulationOptions,
  simulateServer,
} from './simulated-server.test-support.js';
import type { ServedRequest } from './timeline.js';

const simulate = (seed: number, options: Partial<SimulationOptions> = {}) =>
  simulateServer({ random: createRandom(seed), count: 60, slots: 4, timeCosts: cpuCosts, ...options });

function share(server: SimulatedServer, requests: readonly ServedRequest[] = server.requests): ServedShares {
  const shares = shareServedCounter({ ...server, requests, quantum: quantum.nanoseconds, seed: 1 });
  if (shares.refused !== null) throw new Error(shares.refused);
  return shares;
}

function expectConserved(shares: ServedShares) {
  expect(shares.requests + shares.idle + shares.unattributed).toBe(shares.total);
  let sum = 0;
  for (const { prefill, decode, amount, low, high } of shares.byRequest.values()) {
    expect(prefill + decode).toBe(amount);
    expect(Math.min(prefill, decode, low)).toBeGreaterThanOrEqual(0);
    expect(low).toBeLessThanOrEqual(amount);
    expect(high).toBeGreaterThanOrEqual(amount);
    sum += amount;
  }
  expect(sum).toBe(shares.requests);
}

const errorsOf = ({ truth }: SimulatedServer, amountOf: (id: number) => number) =>
  [...truth].map(([id, { prefill, decode }]) => Math.abs(amountOf(id) / (prefill + decode) - 1));

describe('sharing a server’s counter', () => {
  it('finds what each request used, of its prompt and of its completion, where nothing disturbs', () => {
    const server = simulate(3);
    const shares = share(server);
    expectConserved(shares);
    for (const [id, { prefill, decode }] of server.truth) {
      const own = shares.byRequest.get(id)!;
      expect(Math.abs(own.amount / (prefill + decode) - 1)).toBeLessThan(0.1);
    }
    expect(median(errorsOf(server, (id) => shares.byRequest.get(id)!.amount))).toBeLessThan(0.01);
    expect(median(errorsOf(server, (id) => shares.byAverage.get(id)!))).toBeGreaterThan(0.1);
    for (const { name, value, low, high } of shares.coefficients) {
      if (name === 'idle') continue;
      expect(low / 1.01).toBeLessThanOrEqual(cpuCosts[name]);
      expect(high * 1.01).toBeGreaterThanOrEqual(cpuCosts[name]);
      expect(value).toBeGreaterThan(0);
    }
  });

  it('is within a tenth in the median where steps, requests and the machine vary, half of what tokens × average errs', () => {
    const server = simulate(5, { count: 100, own: 0.05, drift: 0.1, stepNoise: 0.1 });
    const shares = share(server);
    expectConserved(shares);
    const error = median(errorsOf(server, (id) => shares.byRequest.get(id)!.amount))!;
    expect(error).toBeLessThan(0.1);
    expect(error).toBeLessThan(median(errorsOf(server, (id) => shares.byAverage.get(id)!))! / 2 + 0.05);
  });

  it('tells what the server used while nobody asked it', () => {
    const server = simulate(2, { meanGapNs: 4e9, idleRate: 0.05 });
    const shares = share(server);
    expectConserved(shares);
    expect(shares.idle / server.idle).toBeGreaterThan(0.9);
    expect(shares.idle / server.idle).toBeLessThan(1.1);
  });

  it('gives equal requests equal shares, within their intervals', () => {
    const server = simulate(4, {
      promptTokens: [64, 64],
      completionTokens: [24, 24],
      drift: 0.1,
    });
    const { byRequest } = share(server);
    const amounts = [...byRequest.values()];
    const middle = median(amounts.map(({ amount }) => amount))!;
    const outside = amounts.filter(({ low, high }) => low > middle || high < middle);
    expect(outside.length).toBeLessThanOrEqual(0.1 * amounts.length);
  });

  it('leaves what an uncounted request used to nobody', () => {
    const server = simulate(6);
    const [uncounted] = server.requests;
    const requests = server.requests.map((request) =>
      request === uncounted ? { ...request, completionTokens: null, failed: true } : request,
    );
    const shares = share(server, requests);
    expectConserved(shares);
    expect(shares.byRequest.has(uncounted!.id)).toBe(false);
    const { prefill, decode } = server.truth.get(uncounted!.id)!;
    expect(Math.abs(shares.unattributed / (prefill + decode) - 1)).toBeLessThan(0.1);
  });

  it('does not mind requests that the server turned away at once', () => {
    const server = simulate(6);
    const [first] = server.requests;
    const refused = {
      ...first!,
      id: 1000,
      endNs: first!.sentNs + 3e6,
      firstTokenNs: null,
      lastTokenNs: null,
      promptTokens: null,
      completionTokens: null,
      failed: true,
    };
    const shares = share(server, [...server.requests, refused]);
    expect(shares.unattributed).toBe(0);
    expect(shares.byRequest.get(first!.id)!.amount).toBe(share(server).byRequest.get(first!.id)!.amount);
  });

  it('keeps a gap of the counter out of every figure', () => {
    const server = simulate(7);
    const [fromNs, toNs] = [0.4 * server.endNs, 0.5 * server.endNs];
    const { curve } = server;
    const known = [
      { startNs: 0, endNs: fromNs },
      { startNs: toNs, endNs: server.endNs },
    ];
    const shares = share({ ...server, curve: { ...curve, known } });
    expectConserved(shares);
    expect(shares.unknownNs).toBeCloseTo(toNs - fromNs, -3);
    const gap = curve.at(toNs)! - curve.at(fromNs)!;
    expect(Math.abs(share(server).total - shares.total - gap)).toBeLessThan(10);
  });

  it('lets steps leave where as many requests decode all the time, so that they are tokens by another name', () => {
    const server = simulate(8, { slots: 1 });
    expect(share(server).dropped).toEqual(['step']);
  });
});

describe('sharing a server’s counter refuses', () => {
  const server = simulate(9, { count: 12 });
  const refusal = (options: Partial<SimulatedServer>) =>
    shareServedCounter({ ...server, ...options, quantum: 1, seed: 1 }).refused;

  it('where no request has its tokens counted', () => {
    expect(refusal({ requests: [] })).toMatch(/No request has its tokens counted/);
  });

  it('a run of too few windows', () => {
    expect(refusal({ resolutionNs: 2e9 })).toMatch(/windows .* send more requests/);
  });

  it('a counter that hardly moved', () => {
    const still = exactCurve([
      [0, 0],
      [server.endNs / 1e9, 0],
    ]);
    expect(refusal({ curve: still })).toMatch(/The counter moved in 0 of/);
  });

  it('prompts and completions that always came in the same proportion', () => {
    const alike = simulate(1, {
      slots: 1,
      promptTokens: [64, 64],
      completionTokens: [16, 16],
      resolutionNs: 3e8,
      count: 200,
    });
    expect(shareServedCounter({ ...alike, quantum: 1, seed: 1 }).refused).toMatch(/mix their lengths/);
  });
});

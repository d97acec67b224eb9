import { describe, expect, it } from 'vitest';
import type { OkRequest, Result } from '../core/result.js';
import { checkLedger } from './ledger.js';
import { simulateResult } from './simulated-result.test-support.js';

function ledgerOf(change: (request: OkRequest, result: Result) => void) {
  const stages = [
    { name: 'safety', cost: 20, tokens: 20 },
    { name: 'prefill', cost: 10, billed: 64, tokens: 14, cached: 50 },
    { name: 'decode', cost: 32, billed: 32 },
  ];
  const cell = { promptTokens: 64, completionTokens: 32, rate: 1, stages };
  const result = simulateResult([cell], { seed: 1, repetitions: 3, noise: 0.1 });
  change(result.requests[1] as OkRequest, result);
  return checkLedger(result);
}

describe('the ledger', () => {
  it('balances where stages add up to their requests', () => {
    expect(ledgerOf(() => {})).toEqual({ requests: 3, metrics: ['cpuTime'], violations: [] });
  });

  it.each<[string, (request: OkRequest, result: Result) => void]>([
    ['cpuTime of stages adds up to the request', ({ work }) => (work.cpuTime! += 2000)],
    ['processed tokens of stages add up to the request', ({ stages }) => stages[0]!.tokens++],
    ['billed tokens of stages add up to the request', ({ stages }) => stages[0]!.billed++],
    ['cached tokens of stages add up to the request', ({ stages }) => stages[1]!.cached!++],
    ['reasoning tokens are part of the completion', ({ tokens }) => (tokens.reasoning = 33)],
    [
      'hidden tokens are those processed less those billed',
      ({ tokens }) => {
        tokens.hidden++;
      },
    ],
    [
      'cpuTime of requests, idle and unattributed adds up to the run',
      ({ work }, result) => {
        const requests = result.requests.reduce((sum, row) => sum + row.work!.cpuTime!, 0);
        expect(work.cpuTime).toBeGreaterThan(0);
        result.conservation.cpuTime = { total: 2 * requests, requests, idle: 0, unattributed: 0, unit: 'ns' };
      },
    ],
    [
      'CPU time of requests adds up to the run',
      (_, result) => {
        result.conservation.cpuTime = { total: 1e9, requests: 1e9, idle: 0, unattributed: 0, unit: 'ns' };
      },
    ],
  ])('finds that %s does not hold', (rule, change) => {
    const { violations } = ledgerOf(change);
    expect(violations.map((violation) => violation.rule)).toEqual([rule]);
    expect(violations[0]!.requests).toBe(1);
  });

  it('finds more cached tokens than the prompt has, and counts the requests that break a rule', () => {
    const { violations } = ledgerOf((_, result) => {
      for (const request of result.requests as OkRequest[]) request.tokens.cached = 65;
    });
    expect(violations).toContainEqual({
      rule: 'cached tokens are part of the prompt',
      requests: 3,
      example: 'request 0: 65 cached of 64',
    });
  });

  it('lets a clock err by its resolution, and checks no metric that a stage lacks', () => {
    expect(ledgerOf(({ work }) => (work.cpuTime! += 500)).violations).toEqual([]);
    const { metrics, violations } = ledgerOf((_, result) => {
      for (const request of result.requests as OkRequest[]) request.stages[0]!.work = {};
    });
    expect([metrics, violations]).toEqual([[], []]);
  });
});

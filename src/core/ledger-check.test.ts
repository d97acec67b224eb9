import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkLedger } from './ledger-check.js';
import { additiveMetrics, type WorkMetric } from './metrics.js';
import type { Conservation, OkRequest, Stage } from './result.js';
import type { Work } from './work.js';

type Row = Pick<OkRequest, 'tokens' | 'stages'> & {
  id: number;
  work: Partial<Work>;
  times: { started: number; ended?: number };
  runsInWindow?: number;
};
interface Run {
  requests: Row[];
  conservation: Record<string, Conservation>;
}

const amount = fc.integer({ min: 1, max: 1e9 });
/** Of energies and integrals, which are no whole numbers. */
const fraction = fc.double({ min: 1e-3, max: 1e6, noNaN: true });
const soundStage: fc.Arbitrary<Stage> = fc
  .record({
    type: fc.constantFrom('safety' as const, 'cache' as const, 'prefill' as const, 'reasoning' as const),
    evaluated: fc.integer({ min: 1, max: 500 }),
    hidden: fc.nat(500),
    cached: fc.nat(500),
    lastsNs: amount,
    whole: fc.record({
      cpuTime: amount,
      gpuTime: amount,
      flops: amount,
      memoryTraffic: amount,
      activationBytes: amount,
      kvBytes: amount,
    }),
    broken: fc.record({ energy: fraction, kvByteSeconds: fraction }),
  })
  .map(({ type, evaluated, hidden, lastsNs, whole, broken, ...more }) => {
    const cached = type === 'reasoning' ? 0 : more.cached;
    return {
      name: type,
      type,
      visible: true,
      tokens: evaluated + hidden,
      billed: evaluated + cached,
      cached,
      times: { started: 0, ended: lastsNs },
      work: { ...whole, ...broken },
    };
  });
const soundRow = fc.record({
  stages: fc.array(soundStage, { minLength: 2, maxLength: 6 }),
  started: fc.integer({ min: 0, max: 1e12 }),
  runs: fc.integer({ min: 1, max: 9 }),
});

/** Two GPUs and a processor package, of which a request's energy is the sum. */
const devices = { energy: ['package-0', 'gpu-0', 'gpu-1'], gpuTime: ['gpu-0', 'gpu-1'] };

const soundRun: fc.Arbitrary<Run> = fc
  .record({
    rows: fc.array(soundRow, { minLength: 1, maxLength: 5 }),
    idle: fraction,
    unattributed: fraction,
    repeated: fc.boolean(),
  })
  .map(({ rows, idle, unattributed, repeated }) => {
    const requests = rows.map(({ stages, started, runs }, id) =>
      rowOf(id, stages, started, repeated ? runs : 1),
    );
    const account = (metric: WorkMetric, share: number, times = true): Conservation => {
      const charged =
        total(requests, (row) => row.work[metric]! * (times ? (row.runsInWindow ?? 1) : 1)) * share;
      const unit = metric === 'energy' ? 'J' : 'ns';
      return { total: charged + idle + unattributed, requests: charged, idle, unattributed, unit };
    };
    const conservation: Run['conservation'] = { cpuTime: account('cpuTime', 1, repeated) };
    for (const metric of ['energy', 'gpuTime'] as const) {
      for (const device of devices[metric]) {
        conservation[`${metric}/${device}`] = account(metric, 1 / devices[metric].length);
      }
    }
    return { requests, conservation };
  });

function rowOf(id: number, drawn: readonly Stage[], started: number, runsInWindow: number): Row {
  let at = started;
  const stages = drawn.map((stage) => {
    const times = { started: at, ended: at + stage.times.ended };
    at = times.ended;
    return { ...stage, times };
  });
  const reasoning = total(stages, ({ type, billed }) => (type === 'reasoning' ? billed : 0));
  const prompt = total(stages, ({ billed }) => billed) - reasoning;
  const processed = total(stages, ({ tokens }) => tokens);
  const cached = total(stages, (stage) => stage.cached!);
  return {
    id,
    stages,
    tokens: {
      prompt,
      completion: reasoning,
      cached,
      reasoning,
      processed,
      hidden: processed - prompt - reasoning,
    },
    work: Object.fromEntries(
      additiveMetrics().map((metric) => [metric, total(stages, ({ work }) => work[metric]!)]),
    ),
    times: { started, ended: at },
    ...(runsInWindow > 1 && { runsInWindow }),
  };
}

function total<Item>(items: readonly Item[], of: (item: Item) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0);
}

const rulesBroken = (run: Run) => checkLedger(run).violations.map(({ rule }) => rule);

/** A fault of a request that breaks exactly one rule, and which. */
const requestFaults: [rule: string, plant: (row: Row) => void][] = [
  ['processed tokens of stages add up to the request', ({ stages }) => stages[0]!.tokens++],
  ['hidden tokens are those processed less those billed', ({ tokens }) => tokens.hidden--],
  [
    'stages follow each other without a gap or an overlap',
    ({ stages }) => {
      stages[1]!.times.started++;
    },
  ],
  [
    'stages follow each other without a gap or an overlap',
    ({ stages }) => {
      stages[1]!.times.started--;
    },
  ],
  ['stages follow each other without a gap or an overlap', ({ times }) => times.ended!++],
  ...additiveMetrics().flatMap((metric): [string, (row: Row) => void][] => [
    [
      `${metric} of stages adds up to the request`,
      ({ stages, work }) => {
        stages[0]!.work[metric]! += 1001 + 1e-5 * work[metric]!;
      },
    ],
  ]),
];

/** Faults that break one rule at the least. */
const otherFaults: [rule: string, plant: (run: Run) => void][] = [
  ['billed tokens of stages add up to the request', ({ requests: [row] }) => row!.stages[0]!.billed--],
  ['cached tokens of stages add up to the request', ({ requests: [row] }) => row!.stages[0]!.cached!++],
  [
    'cached tokens are part of the prompt',
    ({ requests: [row] }) => (row!.tokens.cached = row!.tokens.prompt + 1),
  ],
  [
    'reasoning tokens are part of the completion',
    ({ requests: [row] }) => (row!.tokens.reasoning = row!.tokens.completion + 1),
  ],
  ['reasoning tokens of stages add up to the request', ({ requests: [row] }) => row!.tokens.reasoning++],
  [
    "a stage's cached tokens are part of its billed ones",
    ({ requests: [row] }) => (row!.stages[0]!.cached = row!.stages[0]!.billed + 1),
  ],
  [
    'billed tokens of a stage were evaluated by it or cached',
    ({ requests: [row] }) => (row!.stages[0]!.billed = row!.stages[0]!.tokens + row!.stages[0]!.cached! + 1),
  ],
  ...additiveMetrics().map((metric): [string, (run: Run) => void] => [
    `${metric} of stages adds up to the request`,
    ({ requests: [row] }) => {
      row!.work[metric] = 1001 + 1.001 * row!.work[metric]!;
    },
  ]),
];

const runFaults = Object.entries(devices).flatMap(([metric, names]) =>
  names.flatMap((device): [rule: string, plant: (account: Conservation) => void, account: string][] => [
    [
      `${metric}/${device} of requests, idle and unattributed adds up to the run`,
      (account) => (account.idle += account.total / 1000),
      `${metric}/${device}`,
    ],
    [
      `${metric} of requests adds up to the run's`,
      (account) => {
        account.requests *= 1.01;
        account.unattributed -= account.requests / 101;
      },
      `${metric}/${device}`,
    ],
    [
      `${metric}/${device} of requests is part of the run's`,
      (account) => {
        account.unattributed = -account.total;
      },
      `${metric}/${device}`,
    ],
  ]),
);

describe('the ledger of a run', () => {
  it('balances where stages add up to requests and requests to the run', () => {
    fc.assert(
      fc.property(soundRun, (run) => {
        expect(checkLedger(run)).toEqual({
          requests: run.requests.length,
          metrics: additiveMetrics(),
          violations: [],
        });
      }),
    );
  });

  it.each(requestFaults)('shows a planted fault: %s', (rule, plant) => {
    fc.assert(
      fc.property(soundRun, (run) => {
        // What requests add up to is left as it was.
        plant(run.requests.at(-1)!);
        expect(rulesBroken(run)).toEqual([rule]);
      }),
      { numRuns: 30 },
    );
  });

  it.each(otherFaults)('shows a planted fault: %s', (rule, plant) => {
    fc.assert(
      fc.property(soundRun, (run) => {
        plant(run);
        expect(rulesBroken(run)).toContain(rule);
      }),
      { numRuns: 30 },
    );
  });

  it.each(runFaults)('shows a planted fault: %s', (rule, plant, account) => {
    fc.assert(
      fc.property(soundRun, (run) => {
        // Beside a microsecond for each request, a fault in less than that is none.
        plant(scaled(run, 1e6).conservation[account]!);
        expect(rulesBroken(run)).toContain(rule);
      }),
      { numRuns: 30 },
    );
  });

  it('shows a request whose work the run does not account for, in every metric it has an account of', () => {
    fc.assert(
      fc.property(soundRun, fc.constantFrom('cpuTime', 'energy', 'gpuTime'), (run, metric) => {
        const [row] = run.requests;
        // Of CPU time, a row that was run repeatedly shows its first run alone.
        if (metric === 'cpuTime')
          fc.pre(run.requests.every(({ runsInWindow }) => runsInWindow === undefined));
        const own = row!.work[metric]!;
        row!.work[metric] = 2 * own + 1e9;
        for (const stage of row!.stages) stage.work[metric] = null;
        expect(rulesBroken(run)).toEqual([`${metric} of requests adds up to the run's`]);
      }),
      { numRuns: 60 },
    );
  });

  it('counts the work of failed requests, and each request that breaks a rule once', () => {
    const account = { total: 5, requests: 5, idle: 0, unattributed: 0, unit: 'J' };
    const failed = { id: 0, work: { energy: 5 } };
    expect(
      rulesBroken({ requests: [failed as unknown as Row], conservation: { 'energy/p': account } }),
    ).toEqual([]);
    fc.assert(
      fc.property(soundRun, (run) => {
        for (const { stages } of run.requests) for (const stage of stages) stage.cached = stage.billed + 1;
        const rule = "a stage's cached tokens are part of its billed ones";
        const violation = checkLedger(run).violations.find((found) => found.rule === rule);
        expect(violation?.requests).toBe(run.requests.length);
        expect(violation?.example).toMatch(/^request 0: \d+ against \d+$/);
      }),
      { numRuns: 20 },
    );
  });

  it('adds up no metric that a stage lacks, as long as the others do not exceed the whole', () => {
    fc.assert(
      fc.property(soundRun, (run) => {
        for (const { stages } of run.requests) stages[0]!.work = {};
        expect(checkLedger(run)).toMatchObject({ metrics: [], violations: [] });
        const [row] = run.requests;
        row!.stages.at(-1)!.work.flops = 2 * row!.work.flops! + 1;
        expect(rulesBroken(run)).toEqual(['flops of stages adds up to the request']);
      }),
      { numRuns: 30 },
    );
  });

  it('lets CPU time err by the microsecond that the coarsest clock does', () => {
    fc.assert(
      fc.property(soundRun, fc.integer({ min: -999, max: 999 }), (run, error) => {
        run.requests[0]!.work.cpuTime! += error;
        expect(rulesBroken(run)).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });
});

/** All amounts of a run, its sums unchanged. */
function scaled(run: Run, factor: number): Run {
  for (const { work, stages } of run.requests) {
    for (const one of [work, ...stages.map((stage) => stage.work)]) {
      for (const metric of additiveMetrics()) one[metric]! *= factor;
    }
  }
  for (const account of Object.values(run.conservation)) {
    account.total *= factor;
    account.requests *= factor;
    account.idle *= factor;
    account.unattributed *= factor;
  }
  return run;
}

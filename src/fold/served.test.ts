import { describe, expect, it } from 'vitest';
import { isOk, type Result, resultSchema } from '../core/result.js';
import { replicaName } from '../engines/endpoint/dialects/replica.js';
import type { JournalEntry, JournalHeader, OkJournalRow } from '../journal/entry.js';
import { contentsOf, header, okRow } from '../journal/testing/journal-sample.js';
import { type FakeChannel, sampling, second, sensor } from '../journal/testing/sampled-journal.js';
import { median } from '../stats/quantile.js';
import { createRandom } from '../stats/random.js';
import { foldJournal } from './result.js';

const [urlA, urlB] = ['http://10.0.0.1:8000/metrics', 'http://10.0.0.2:8000/metrics'] as const;
const lasts = 200;
const [prefillSeconds, perToken] = [0.3, 0.05];
const joules = { prompt: 0.2, token: 3 };
/** The second member of a fleet is another GPU, which uses so many times as much. */
const thirstOf = [1, 3] as const;

interface Played {
  id: number;
  at: number;
  prompt: number;
  completion: number;
  member: number;
}

/** Two requests at a time, one of each member, on lanes of their own. */
const requests: Played[] = [0, 1].flatMap((member) => {
  const random = createRandom(member + 1);
  const lane: Played[] = [];
  for (let at = 2 + member; at < lasts - 15; ) {
    const [prompt, completion] = [50 + random.below(500), 10 + random.below(80)];
    lane.push({ id: 2 * lane.length + member, at, prompt, completion, member });
    at += prefillSeconds + completion * perToken + random.uniform();
  }
  return lane;
});

/** What requests of a member, or of all on one GPU, had used until then, beside what is used in rest. */
const usedAt = (member: number | null) => {
  const thirst = member === null ? 1 : thirstOf[member]!;
  const own = requests.filter((of) => member === null || of.member === member);
  return (time: number) =>
    own.reduce((sum, { at, prompt, completion }) => {
      const prefilled = Math.min(1, Math.max(0, (time - at) / prefillSeconds));
      const decoded = Math.min(completion, Math.max(0, (time - at - prefillSeconds) / perToken));
      return sum + thirst * (prefilled * prompt * joules.prompt + decoded * joules.token);
    }, 0);
};

/** What is shown of a figure that is looked at so often. */
function refreshed(every: number, at: (time: number) => number): (time: number) => number {
  const known = new Map<number, number>();
  return (time) => {
    const from = Math.floor(time / every) * every;
    const value = known.get(from) ?? at(from);
    known.set(from, value);
    return value;
  };
}

/** A counter that an exporter brings up to date so often. */
const counter = (
  device: string,
  quantity: string,
  every: number,
  at: (time: number) => number,
): FakeChannel => ({
  ...{
    device,
    quantity,
    unit: quantity === 'energy' ? 'J' : quantity === 'cpuTime' ? 'ns' : 'count',
    kind: 'counter',
  },
  at: refreshed(every, at),
});

const gpuEnergy = (device: string, every: number, member: number | null, restingWatts = 0) => {
  const used = usedAt(member);
  return counter(device, 'energy', every, (time) => restingWatts * time + used(time));
};

const tokensOf = (member: number | null, more = 0) =>
  counter(`server-${member ?? 0}`, 'generatedTokens', 0.5, (time) =>
    requests
      .filter((of) => member === null || of.member === member)
      .reduce(
        (sum, { at, completion }) =>
          sum + (at + prefillSeconds + completion * perToken <= time ? completion : 0),
        time > 1 ? more : 0,
      ),
  );

function scraped(name: string, channels: readonly FakeChannel[], firstId: number) {
  const of = sensor(name, channels, firstId, { periodNs: 0.5 * second });
  // Nobody looks how often scraped counters move.
  const unknown = of.channels.map((channel) => ({
    ...channel,
    counterPeriodNs: null,
    periodResolved: false,
  }));
  return [{ ...of, channels: unknown }, channels] as const;
}

function row(played: Played, replica: string | null): JournalEntry {
  const { id, at, prompt, completion } = played;
  const [started, firstToken, ended] = [
    at,
    at + prefillSeconds,
    at + prefillSeconds + completion * perToken,
  ].map((time) => Math.round(time * second)) as [number, number, number];
  const stage = (name: 'prefill' | 'decode', tokens: number, from: number, to: number) => ({
    ...{ name, visible: true, tokens, billed: tokens, times: { started: from, ended: to }, work: {} },
  });
  const ok = okRow(id, null) as OkJournalRow;
  return {
    kind: 'request',
    row: {
      ...{ ...ok, cell: header.cells[0]!.id, worker: 0 },
      tokens: { ...ok.tokens, prompt, completion, processed: prompt + completion },
      times: { submitted: started, started, firstToken, lastToken: ended, ended },
      stages: [stage('prefill', prompt, started, firstToken), stage('decode', completion, firstToken, ended)],
      served: {
        ...{ replica, retries: 0, finishReason: 'length', usageFrom: 'usage', toldCached: true },
        ...{ clientTokens: completion, events: completion, answerToken: null, times: null },
      },
    },
    processCpuNs: 0,
    endedNs: ended,
  };
}

interface Setting {
  sensors: readonly (readonly [ReturnType<typeof sensor>, readonly FakeChannel[]])[];
  metricsUrl: readonly string[];
  replicaOf?: (played: Played) => string | null;
  played?: readonly Played[];
}

function fold({ sensors, metricsUrl, replicaOf = () => null, played = requests }: Setting): Result {
  const none = { method: 'none', provenance: 'unavailable', reason: 'not-applicable', hint: null } as const;
  const of: JournalHeader = {
    ...header,
    settings: {
      workload: { suite: 'sample' },
      ...{ concurrency: 2, repetitions: requests.length, seed: 1, warmup: 0, deadlineMs: null },
      sampling: { sensors: 'auto', energy: false, validate: false },
      endpoint: ['http://10.0.0.9/v1'],
      models: [{ id: 'm', spec: 'm' }],
      ...{ traceDigest: null, api: 'auto', apiKeyEnv: null, headers: [], shape: null, dtype: null },
      ...{ metricsUrl: [...metricsUrl], retries: 0, arrivals: null, rate: null, speed: null },
      ...{
        maxInFlight: 1024,
        catchUp: false,
        loop: { kind: 'one', process: { kind: 'closed', concurrency: 2 } },
      },
    },
    metrics: {
      energy: { unit: 'J', ...none },
      gpuTime: { unit: 'ns', ...none },
      cpuTime: { unit: 'ns', ...none },
    },
  };
  const entries: JournalEntry[] = [
    ...sampling(sensors, [0, lasts], 1),
    ...played.map((request) => row(request, replicaOf(request))),
    { kind: 'ended', atNs: (lasts - 1) * second, processCpuNs: 0 },
  ];
  const { head, rows } = foldJournal(contentsOf(of, [of, ...entries]));
  return resultSchema.parse({ ...head, requests: [...rows()] });
}

const workOf = ({ prompt, completion }: Played) => prompt * joules.prompt + completion * joules.token;

/** Charged ÷ used, median over the requests of a member. */
function medianRatio(result: Result, member: number): number {
  const used = new Map(requests.map((of) => [of.id, thirstOf[of.member]! * workOf(of)]));
  const own = result.requests.filter(isOk).filter(({ id }) => id % 2 === member);
  return median(own.map(({ id, work }) => work.energy! / used.get(id)!))!;
}

const codes = ({ warnings }: Result) => warnings.map(({ code }) => code);
const owner = ({ member }: Played) => replicaName(['10.0.0.1:8000', '10.0.0.2:8000'][member]!);

describe("a GPU of a server elsewhere, by DCGM's exporter", () => {
  const device = 'gpu-0@node-7';
  const busy = usedAt(null);
  const restingWatts = 50;
  const shown = (every: number): FakeChannel[] => [
    gpuEnergy(device, every, null, restingWatts),
    {
      ...{ device, quantity: 'utilisation', unit: 'ratio', kind: 'gauge' },
      at: refreshed(every, (time) => Math.min(1, (busy(time) - busy(time - every)) / every / 400)),
    },
  ];
  const exporter = (every: number) => {
    const [record, channels] = scraped('server-metrics', shown(every), 0);
    const gauges = record.channels.map((of) =>
      of.quantity === 'utilisation' ? { ...of, averagedOverNs: 30e9 } : of,
    );
    return [{ ...record, channels: gauges }, channels] as const;
  };

  it('is charged to requests by a regression that names itself, all of it accounted for', () => {
    const result = fold({ sensors: [exporter(1)], metricsUrl: ['http://10.0.0.1:9400/metrics'] });
    const { total, requests: theirs, idle, unattributed } = result.conservation[`energy/${device}`]!;
    expect(theirs + idle + unattributed).toBe(total);
    // Between the first request and the last: the work of all and the GPU at rest.
    const work = requests.reduce((sum, of) => sum + workOf(of), 0);
    expect(total / (work + restingWatts * (lasts - 2))).toBeCloseTo(1, 2);
    expect(result.metrics.energy).toMatchObject({
      provenance: 'attributed',
      method: expect.stringMatching(/gpu-0@node-7 \(server-metrics counter\).*non-negative regression/),
    });
    expect(result.metrics.gpuTime!.provenance).toBe('attributed');
  });

  it('is refused, with what it would take, where the exporter looks once in half a minute', () => {
    const result = fold({ sensors: [exporter(30)], metricsUrl: ['http://10.0.0.1:9400/metrics'] });
    for (const metric of ['energy', 'gpuTime']) {
      expect(result.metrics[metric]).toMatchObject({
        ...{ provenance: 'unavailable', reason: 'too-short' },
        hint: expect.stringMatching(/once in 30 s, so that it takes a run of 2880 s.*DCGM_EXPORTER_INTERVAL/),
      });
    }
    const { total, requests: theirs, unattributed } = result.conservation[`energy/${device}`]!;
    expect([theirs, unattributed]).toEqual([0, total]);
  });
});

describe('a fleet behind one address', () => {
  const sensors = [0, 1].map((member) =>
    scraped(
      `server-metrics-${member}`,
      [tokensOf(member), gpuEnergy(`gpu-0@host-${member}`, 1, member)],
      10 * member,
    ),
  );
  const metricsUrl = [urlA, urlB];

  it('shares the counters of each among the requests that it answered, where every answer names it', () => {
    const result = fold({ sensors, metricsUrl, replicaOf: owner });
    expect(codes(result)).not.toContain('fleet-shared');
    expect(codes(result)).not.toContain('server-counters-differ');
    for (const member of [0, 1]) {
      const {
        total,
        requests: theirs,
        idle,
        unattributed,
      } = result.conservation[`energy/gpu-0@host-${member}`]!;
      expect(theirs + idle + unattributed).toBe(total);
      const own = result.requests.filter(isOk).filter(({ id }) => id % 2 === member);
      expect(own.reduce((sum, { work }) => sum + work.energy!, 0)).toBeCloseTo(theirs, 6);
      expect(Math.abs(medianRatio(result, member) - 1)).toBeLessThan(0.1);
    }
  });

  it('is one account where an answer does not, and says so', () => {
    const result = fold({ sensors, metricsUrl, replicaOf: (of) => (of.id === 7 ? null : owner(of)) });
    expect(codes(result)).toContain('fleet-shared');
    expect(result.metrics.energy!.method).toContain('shared over a fleet of 2 as if it were one server');
    // Both are charged the mean of the two.
    expect(medianRatio(result, 0)).toBeGreaterThan(1.5);
    expect(medianRatio(result, 1)).toBeLessThan(0.8);
    for (const { total, requests: theirs, idle, unattributed } of Object.values(result.conservation))
      expect(theirs + idle + unattributed).toBe(total);
  });
});

describe('counters of generated tokens', () => {
  const fleet = (more: number) => ({
    sensors: [scraped('server-metrics', [tokensOf(null, more)], 0)],
    metricsUrl: [urlA],
  });
  const differing = (result: Result) =>
    result.warnings.find(({ code }) => code === 'server-counters-differ')?.message;

  it('agree with what the answers had', () => {
    expect(differing(fold(fleet(0)))).toBeUndefined();
  });

  it('are told beside it where they grew by more, or by less', () => {
    const told = requests.reduce((sum, { completion }) => sum + completion, 0);
    expect(differing(fold(fleet(80)))).toContain(
      `grew by ${told + 80} generated tokens, and the answers had ${told}`,
    );
    const doubled = [...requests, { ...requests[0]!, id: requests.length + 100 }];
    expect(differing(fold({ ...fleet(0), played: doubled }))).toContain(
      `${requests[0]!.completion} that were answered`,
    );
  });
});

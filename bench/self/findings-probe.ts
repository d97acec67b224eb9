/**
 * Draws findings from a made-up trace of `argv[2]` requests, in two rounds of eight stages each, and prints the
 * seconds it took and the process's peak memory as JSON. Rows are made one by one, as they are read from a file. Run
 * in a process of its own, so that the peak is this alone.
 */
import { findingsFrom } from '#tokenwork/analysis/findings.js';
import { type ResultHead, tabled } from '#tokenwork/analysis/requests/table-builder.js';
import type { OkRequest } from '#tokenwork/core/result.js';
import { normalSource } from '#tokenwork/stats/normal.js';
import { createRandom } from '#tokenwork/stats/random.js';

const rounds = 2;
const { head, rows } = madeUpTrace(Number(process.argv[2]));
const begin = process.hrtime.bigint();
const result = tabled(head, rows);
const built = process.hrtime.bigint();
const findings = findingsFrom(result);
const secondsSince = (time: bigint) => Number(process.hrtime.bigint() - time) / 1e9;
process.stdout.write(
  JSON.stringify({
    seconds: secondsSince(begin),
    findingsSeconds: secondsSince(built),
    cells: findings.workload.cells,
    metrics: Object.keys(findings.uniformity).length,
    peakBytes: process.resourceUsage().maxRSS * 1024,
  }),
);

type Spent = Record<
  | 'cpuTime'
  | 'gpuTime'
  | 'energy'
  | 'kvBytes'
  | 'kvByteSeconds'
  | 'flops'
  | 'memoryTraffic'
  | 'activationBytes',
  number
>;

/** Eight stages that share a request's work, four of them on no bill. */
function stagesOf(prompt: number, completion: number, spent: Spent): OkRequest['stages'] {
  const shares: [name: string, share: number, tokens: number, billed: number][] = [
    ['tokenization', 0.01, 0, 0],
    ['safety', 0.05, 24, 0],
    ['retrieval', 0.1, 48, 0],
    ['cache', 0.01, 0, 0],
    ['prefill', 0.25, prompt, prompt],
    ['reasoning', 0.2, 0, 0],
    ['decode', 0.37, completion, completion],
    ['detokenization', 0.01, 0, 0],
  ];
  return shares.map(([name, share, tokens, billed]) => ({
    name,
    visible: billed > 0,
    tokens,
    billed,
    times: { started: 0, ended: 1 },
    work: {
      cpuTime: share * spent.cpuTime,
      gpuTime: share * spent.gpuTime,
      energy: share * spent.energy,
      kvBytes: share * spent.kvBytes,
      kvByteSeconds: share * spent.kvByteSeconds,
      flops: share * spent.flops,
      memoryTraffic: share * spent.memoryTraffic,
      activationBytes: share * spent.activationBytes,
    },
  }));
}

/** Lengths as in public traces, so that most requests have a cell of their own; every metric measured. */
function madeUpTrace(requests: number): { head: ResultHead; rows: Iterable<OkRequest> } {
  const random = createRandom(1);
  const normal = normalSource(random);
  const cells = new Map<string, ResultHead['cells'][number]>();
  const drawn = Array.from({ length: requests / rounds }, () => {
    const prompt = Math.ceil(Math.exp(6.5 + normal()));
    const completion = Math.ceil(Math.exp(4.5 + normal()));
    const id = `m/p${prompt}/c${completion}`;
    cells.set(id, {
      id,
      model: 'm',
      factors: { promptTokens: prompt, completionTokens: completion, batch: 1 },
    });
    return { id, prompt, completion };
  });
  const head = {
    run: { id: 'made-up', suite: 'trace', repetitions: rounds, design: 'sampled' },
    environment: {},
    metrics: {
      cpuTime: { unit: 'ns', provenance: 'measured', method: 'made up', reason: null, hint: null },
    },
    cells: [...cells.values()],
    conservation: {},
    warnings: [],
  } as unknown as ResultHead;
  return { head, rows: rowsOf(drawn, normal) };
}

function* rowsOf(
  drawn: readonly { id: string; prompt: number; completion: number }[],
  normal: () => number,
): Generator<OkRequest> {
  const seen = new Map<string, number>();
  for (let round = 0; round < rounds; round++) {
    for (const [index, { id, prompt, completion }] of drawn.entries()) {
      const repetition = seen.get(id) ?? 0;
      seen.set(id, repetition + 1);
      const work = () => (prompt * 1e6 + completion * 5e6) * Math.exp(0.05 * normal());
      const spent = {
        cpuTime: work(),
        gpuTime: work(),
        energy: work(),
        kvBytes: prompt + completion,
        kvByteSeconds: work(),
        flops: 2 * prompt + completion,
        memoryTraffic: 100 * completion,
        activationBytes: prompt,
      };
      yield {
        id: index,
        cell: id,
        repetition,
        worker: 0,
        outcome: { status: 'ok' },
        tokens: {
          prompt,
          completion,
          cached: 0,
          reasoning: 0,
          hidden: 72,
          processed: prompt + completion + 72,
        },
        times: { submitted: 0, started: 10, firstToken: 1000, lastToken: 9000 },
        interTokenLatency: null,
        work: { ...spent, peakMemory: null },
        stages: stagesOf(prompt, completion, spent),
      };
    }
  }
}

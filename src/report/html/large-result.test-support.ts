import { okRequest } from '../../analysis/result.test-support.js';
import type { Result } from '../../core/result.js';
import { normalSource } from '../../stats/normal.js';
import { createRandom } from '../../stats/random.js';
import { gaps, richResult } from './rich-result.test-support.js';

const workers = 4;

/** A trace of lengths as in public ones, most of them of their own, on four workers. Imported by tests only. */
export function largeResult(requests: number): Result {
  const normal = normalSource(createRandom(1));
  const base = richResult();
  const histograms = [16, 64, 256].map((tokens) => gaps(tokens, 8e6));
  const cells = new Map<string, Result['cells'][number]>();
  const seen = new Map<string, number>();
  const clocks = new Array<number>(workers).fill(0);
  const rows = Array.from({ length: requests }, (_, id) => {
    const prompt = Math.ceil(Math.exp(6.5 + normal()));
    const completion = Math.ceil(Math.exp(4.5 + normal()));
    const cell = `m/p${prompt}/c${completion}`;
    cells.set(cell, {
      id: cell,
      model: 'm',
      factors: { promptTokens: prompt, completionTokens: completion },
    });
    const repetition = seen.get(cell) ?? 0;
    seen.set(cell, repetition + 1);
    const worker = id % workers;
    const begin = clocks[worker]!;
    const firstToken = begin + prompt * 1e5;
    const lastToken = firstToken + completion * 1e6;
    clocks[worker] = lastToken + 1e5;
    const work = (cpuTime: number, tokens: number) => ({
      cpuTime,
      energy: cpuTime * 4e-8,
      flops: tokens * 2e8,
      memoryTraffic: tokens * 7e7,
      activationBytes: tokens * 1e6,
    });
    const [prefill, decode] = [prompt * 1e5, completion * 1e6 * Math.exp(0.05 * normal())];
    const stage = { visible: true, detail: {} };
    return okRequest({
      id,
      cell,
      repetition,
      worker,
      tokens: { prompt, completion, cached: 0, reasoning: 0, hidden: 0, processed: prompt + completion },
      times: { submitted: begin, started: begin, firstToken, lastToken },
      interTokenLatency: histograms[id % histograms.length]!,
      work: {
        ...work(prefill + decode, prompt + completion),
        gpuTime: null,
        peakMemory: null,
        kvBytes: (prompt + completion) * 1000,
        kvByteSeconds: null,
      },
      stages: [
        {
          ...stage,
          name: 'prefill',
          tokens: prompt,
          billed: prompt,
          times: { started: begin, ended: firstToken },
          work: work(prefill, prompt),
        },
        {
          ...stage,
          name: 'decode',
          tokens: completion,
          billed: completion,
          times: { started: firstToken, ended: lastToken },
          work: work(decode, completion),
        },
      ],
    });
  });
  return {
    ...base,
    run: { ...base.run, suite: 'trace', repetitions: 1, plannedRequests: requests, design: 'sampled' },
    cells: [...cells.values()],
    requests: rows,
  };
}

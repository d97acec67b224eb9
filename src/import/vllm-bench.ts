/**
 * What `vllm bench serve --save-result --save-detailed` writes (vLLM 0.10 to 0.27, vllm/benchmarks/serve.py), and
 * benchmark_serving.py before it: one object a run, or with --append-result a line a run, of arrays by request. Times
 * are seconds; those of a request that failed are 0, and its error is a text that is not empty.
 */
import { z } from 'zod';
import { amount, checked, count } from './checked.js';
import { badImport, type Format, type ImportedRun } from './imported.js';

const resultSchema = z.looseObject({
  model_id: z.string().nullish(),
  backend: z.string().nullish(),
  endpoint_type: z.string().nullish(),
  date: z.string().nullish(),
  request_rate: z.union([z.number(), z.string()]).nullish(),
  max_concurrency: count.nullish(),
  duration: amount.nullish(),
  input_lens: z.array(count),
  output_lens: z.array(count),
  ttfts: z.array(amount),
  itls: z.array(z.array(amount)),
  errors: z.array(z.string().nullable()),
  start_times: z.array(amount).nullish(),
});
const detailed = ['input_lens', 'output_lens', 'ttfts', 'itls', 'errors'] as const;

export const vllmBench: Format = {
  id: 'vllm-bench',
  tool: 'vllm bench serve',
  file: 'the JSON of vllm bench serve --save-result --save-detailed',
  cannotTell: "cached and reasoning tokens, the server's version, and its machine",
  recognises: (first) => 'request_throughput' in first && ('model_id' in first || 'input_lens' in first),
  async *read(values, { note }) {
    for await (const placed of values) {
      refuseUndetailed(placed.value, placed.where);
      const result = checked(resultSchema, placed, 'vllm bench serve');
      const { input_lens: inputs, output_lens: outputs, ttfts, itls, errors, start_times: starts } = result;
      for (const name of ['output_lens', 'ttfts', 'itls', 'errors'] as const) {
        if (result[name].length === inputs.length) continue;
        const problem = `${name} has ${result[name].length} entries and input_lens ${inputs.length}`;
        throw badImport(placed.where, problem, 'Every array of the file has one entry a request.');
      }
      const run = runOf(result);
      if (!starts) note('without a start time: arrivals and requests in flight are not known', inputs.length);
      for (const [index, prompt] of inputs.entries()) {
        const atNs = starts?.[index] === undefined ? 0 : Math.round(starts[index]! * 1e9);
        const completion = outputs[index]!;
        const error = errors[index];
        if (error || completion === 0) {
          const message = error?.trim().split('\n').at(-1) || 'It gave no token.';
          yield { run, atNs, outcome: { status: 'failed', message, promptTokens: prompt } };
          continue;
        }
        const gaps = itls[index]!.map((gap) => Math.round(gap * 1e9));
        const firstToken = Math.round(ttfts[index]! * 1e9);
        const lastToken = gaps.reduce((sum, gap) => sum + gap, firstToken);
        yield {
          run,
          atNs,
          outcome: {
            status: 'ok',
            tokens: { prompt, cached: 0, completion, reasoning: 0, drafted: null, accepted: null },
            times: {
              ...{ started: 0, firstToken, answerToken: null, lastToken, ended: lastToken },
              gaps: gaps.length === completion - 1 ? gaps : null,
            },
          },
        };
      }
    }
  },
};

function refuseUndetailed(value: unknown, where: string): void {
  const missing = detailed.find((name) => typeof value === 'object' && value !== null && !(name in value));
  if (missing === undefined) return;
  throw badImport(
    where,
    `it has no ${missing}: it sums its requests up and holds none of them`,
    'Run vllm bench serve again with --save-result --save-detailed.',
  );
}

function runOf(result: z.infer<typeof resultSchema>): ImportedRun {
  const { model_id: model, request_rate: rate, max_concurrency: concurrency, duration } = result;
  const ended = dateOf(result.date);
  return {
    model: model ?? null,
    parameters: null,
    setting: {
      ...(rate !== undefined && rate !== null && { rate }),
      ...(concurrency !== undefined && concurrency !== null && { concurrency }),
    },
    concurrency: concurrency ?? null,
    engine: {
      name: result.backend ?? result.endpoint_type ?? 'an unknown server',
      ...{ version: null, device: null, threads: null },
    },
    machine: null,
    os: null,
    // The file is named after the time at which the run had ended.
    startedAt: ended === null ? null : ended - (duration ?? 0) * 1e3,
    durationNs: result.start_times || !duration ? null : Math.round(duration * 1e9),
  };
}

/** `20260131-235959`, in a time zone that the file does not tell, and that is taken as UTC. */
function dateOf(date: string | null | undefined): number | null {
  const parts = /^(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)$/.exec(date ?? '');
  if (parts === null) return null;
  const [year, month, ...rest] = parts.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return Date.UTC(year, month - 1, ...rest);
}

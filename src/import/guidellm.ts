/**
 * `benchmarks.json` of GuideLLM (vllm-project/guidellm): since 0.4 with `metadata` and `info.timings` of each request
 * (`GenerativeRequestStats` in its src/guidellm/schemas/request_stats.py), and 0.2 to 0.3 with `start_time`,
 * `first_token_time` and the like. Times are epoch seconds. With sampling of requests it holds some of them only.
 */
import { z } from 'zod';
import { amount, checked, count, refuseLarger } from './checked.js';
import { badImport, type Format, type ImportedRequest, type ImportedRun, notStreamed } from './imported.js';

const time = amount.nullish();
const usage = z.looseObject({
  text_tokens: count.nullish(),
  total_tokens: count.nullish(),
  cached_tokens: count.nullish(),
});
const requestSchema = z.looseObject({
  prompt_tokens: count.nullish(),
  output_tokens: count.nullish(),
  input_metrics: usage.nullish(),
  output_metrics: usage.nullish(),
  info: z
    .looseObject({
      error: z.string().nullish(),
      timings: z.looseObject({
        targeted_start: time,
        resolve_start: time,
        request_start: time,
        first_token_iteration: time,
        last_token_iteration: time,
        request_end: time,
        resolve_end: time,
      }),
    })
    .nullish(),
  start_time: time,
  first_token_time: time,
  last_token_time: time,
  end_time: time,
  error: z.string().nullish(),
});
type GuidellmRequest = z.infer<typeof requestSchema>;

const named = z.union([z.string(), z.number()]).nullish();
const strategySchema = z.looseObject({
  type_: named,
  kind: named,
  rate: z.number().nullish(),
  streams: count.nullish(),
  max_concurrency: count.nullish(),
});
const statuses = ['successful', 'incomplete', 'errored'] as const;
const benchmarkSchema = z.looseObject({
  config: z.looseObject({ strategy: strategySchema.nullish() }).nullish(),
  scheduler: z.looseObject({ strategy: strategySchema.nullish() }).nullish(),
  args: z.looseObject({ strategy: strategySchema.nullish() }).nullish(),
  requests: z.looseObject({
    successful: z.array(z.unknown()).nullish(),
    incomplete: z.array(z.unknown()).nullish(),
    errored: z.array(z.unknown()).nullish(),
  }),
});
const reportSchema = z.looseObject({
  metadata: z
    .looseObject({ platform: z.string().nullish(), guidellm_version: z.string().nullish() })
    .nullish(),
  args: z.looseObject({ model: z.string().nullish(), backend: z.unknown() }).nullish(),
  benchmarks: z.array(benchmarkSchema),
});

export const guidellm: Format = {
  id: 'guidellm',
  tool: 'GuideLLM',
  file: 'benchmarks.json',
  cannotTell: "reasoning tokens, gaps between tokens, the server's version, and its machine",
  recognises: (first) => Array.isArray(first.benchmarks),
  async *read(values, { note }) {
    for await (const placed of values) {
      const report = checked(reportSchema, placed, 'GuideLLM');
      for (const [index, benchmark] of report.benchmarks.entries()) {
        const run = runOf(report, benchmark);
        for (const status of statuses) {
          for (const [at, value] of (benchmark.requests[status] ?? []).entries()) {
            const where = `${placed.where}: benchmarks[${index}].requests.${status}[${at}]`;
            const request = checked(requestSchema, { value, where }, 'GuideLLM');
            const imported = importedOf(request, run, status, where);
            if (imported === null) note(notStreamed);
            else yield imported;
          }
        }
      }
    }
  },
};

function importedOf(
  request: GuidellmRequest,
  run: ImportedRun,
  status: (typeof statuses)[number],
  where: string,
): ImportedRequest | null {
  const { info, input_metrics: input, output_metrics: output } = request;
  const timings = info?.timings;
  const start = timings ? (timings.request_start ?? timings.resolve_start) : request.start_time;
  const promptTokens = request.prompt_tokens ?? input?.total_tokens ?? input?.text_tokens ?? null;
  const submitted = timings?.targeted_start && start ? Math.min(timings.targeted_start, start) : start;
  const atNs = Math.round((submitted ?? 0) * 1e9);
  if (status !== 'successful') {
    const what = status === 'incomplete' ? 'The run ended before its answer.' : 'The request failed.';
    return {
      run,
      atNs,
      outcome: { status: 'failed', message: info?.error ?? request.error ?? what, promptTokens },
    };
  }
  const completion = request.output_tokens ?? output?.total_tokens ?? output?.text_tokens ?? null;
  const end = timings ? (timings.request_end ?? timings.resolve_end) : request.end_time;
  const first = timings ? timings.first_token_iteration : request.first_token_time;
  const missing =
    (promptTokens === null && 'prompt_tokens') ||
    (completion === null && 'output_tokens') ||
    (!start && 'the start') ||
    (!end && 'the end');
  if (
    missing ||
    promptTokens === null ||
    completion === null ||
    !start ||
    !end ||
    submitted === null ||
    submitted === undefined
  ) {
    throw badImport(
      where,
      `${missing || 'a time'} is missing`,
      'Only benchmarks of texts that were generated can be imported.',
    );
  }
  if (!first) return null;
  const since = (at: number) => Math.round((at - submitted) * 1e9);
  const last = (timings ? timings.last_token_iteration : request.last_token_time) ?? end;
  const cached = input?.cached_tokens ?? 0;
  refuseLarger(cached, promptTokens, ['cached tokens', 'prompt tokens'], where);
  if (first < start || last < first || end < last)
    throw badImport(where, 'its times run backwards', 'Leave the request out, or record it again.');
  return {
    run,
    atNs,
    outcome: {
      status: 'ok',
      tokens: { prompt: promptTokens, cached, completion, reasoning: 0, drafted: null, accepted: null },
      times: {
        ...{ started: since(start), firstToken: since(first), answerToken: null },
        ...{ lastToken: since(last), ended: since(end), gaps: null },
      },
    },
  };
}

function runOf(
  report: z.infer<typeof reportSchema>,
  benchmark: z.infer<typeof benchmarkSchema>,
): ImportedRun {
  const strategy = (benchmark.config ?? benchmark.scheduler ?? benchmark.args)?.strategy;
  const concurrency = strategy?.streams ?? strategy?.max_concurrency ?? null;
  const kind = strategy?.type_ ?? strategy?.kind;
  const backend = report.args?.backend;
  return {
    model: report.args?.model ?? null,
    parameters: null,
    setting: {
      ...(kind && { strategy: kind }),
      ...(strategy?.rate && { rate: strategy.rate }),
      ...(concurrency !== null && { concurrency }),
    },
    concurrency,
    engine: {
      name: typeof backend === 'string' ? backend : 'an unknown server',
      ...{ version: null, device: null, threads: null },
    },
    machine: null,
    // Of the client, as its machine's name tells.
    os: report.metadata?.platform ?? null,
    startedAt: 'times',
    durationNs: null,
  };
}

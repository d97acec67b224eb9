/**
 * `profile_export.jsonl` of AIPerf (ai-dynamo/aiperf 0.2 to 0.14): a line a request, `{metadata, metrics, error}`,
 * by `MetricRecordInfo` in its src/aiperf/common/models/record_models.py and docs/metrics-reference.md. Times of
 * `metadata` are epoch ns; a metric is a value with its unit.
 */
import { z } from 'zod';
import { amount, checked, count, refuseLarger } from './checked.js';
import { badImport, type Format, type ImportedRequest, type ImportedRun, notStreamed } from './imported.js';

/** ns in a unit that AIPerf writes times in. */
const nsOf: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9, sec: 1e9 };

const metric = (value: z.ZodType<number>) => z.looseObject({ value, unit: z.string() }).nullish();
const time = z.looseObject({ value: amount, unit: z.enum(Object.keys(nsOf) as [string]) }).nullish();

const recordSchema = z.looseObject({
  metadata: z.looseObject({
    request_start_ns: amount,
    credit_issued_ns: amount.nullish(),
    request_end_ns: amount.nullish(),
    benchmark_phase: z.string().nullish(),
    was_cancelled: z.boolean().nullish(),
  }),
  metrics: z
    .looseObject({
      input_sequence_length: metric(count),
      output_sequence_length: metric(count),
      reasoning_token_count: metric(count),
      usage_prompt_tokens: metric(count),
      usage_completion_tokens: metric(count),
      usage_reasoning_tokens: metric(count),
      usage_prompt_cache_read_tokens: metric(count),
      error_isl: metric(count),
      time_to_first_token: time,
      time_to_first_output_token: time,
      request_latency: time,
      inter_chunk_latency: z
        .looseObject({ value: z.array(amount), unit: z.enum(Object.keys(nsOf) as [string]) })
        .nullish(),
    })
    .nullish(),
  error: z
    .looseObject({
      type: z.string().nullish(),
      code: z.union([z.string(), z.number()]).nullish(),
      message: z.string().nullish(),
    })
    .nullish(),
});
type AiperfRecord = z.infer<typeof recordSchema>;

export const aiperf: Format = {
  id: 'aiperf',
  tool: 'AIPerf',
  file: 'profile_export.jsonl',
  cannotTell: 'the model, the server, its machine, and the load that was asked for',
  recognises: (first) => isObject(first.metadata) && 'request_start_ns' in first.metadata,
  async *read(values, { note }) {
    const run: ImportedRun = {
      ...{ model: null, parameters: null, setting: {}, concurrency: null, machine: null, os: null },
      ...{ startedAt: 'times' as const, durationNs: null },
      engine: { name: 'an unknown server', version: null, device: null, threads: null },
    };
    for await (const placed of values) {
      const record = checked(recordSchema, placed, 'AIPerf');
      if (record.metadata.benchmark_phase === 'warmup') {
        note('left out: of the warm-up');
        continue;
      }
      const atNs = record.metadata.request_start_ns;
      const outcome = outcomeOf(record, placed.where);
      if (outcome === null) note(notStreamed);
      else yield { run, atNs, outcome };
    }
  },
};

function outcomeOf(
  { metadata, metrics, error }: AiperfRecord,
  where: string,
): ImportedRequest['outcome'] | null {
  const promptTokens = (metrics?.usage_prompt_tokens ?? metrics?.input_sequence_length ?? metrics?.error_isl)
    ?.value;
  if (error || metadata.was_cancelled) {
    const what = [error?.type, error?.code].filter((part) => part !== undefined && part !== null).join(' ');
    const message = [what, error?.message].filter(Boolean).join(': ') || 'The request was cancelled.';
    return { status: 'failed', message, promptTokens: promptTokens ?? null };
  }
  const completion = (metrics?.usage_completion_tokens ?? metrics?.output_sequence_length)?.value;
  const latency = metrics?.request_latency;
  if (promptTokens === undefined || completion === undefined || !latency) {
    const missing =
      promptTokens === undefined
        ? 'input_sequence_length'
        : completion === undefined
          ? 'output_sequence_length'
          : 'request_latency';
    throw badImport(
      where,
      `metrics.${missing} is missing, and there is no error`,
      'Only records of texts that were generated can be imported.',
    );
  }
  const firstToken = nsIn(metrics?.time_to_first_token);
  if (firstToken === null) return null;
  const reasoning = (metrics?.usage_reasoning_tokens ?? metrics?.reasoning_token_count)?.value ?? 0;
  const cached = metrics?.usage_prompt_cache_read_tokens?.value ?? 0;
  refuseLarger(cached, promptTokens, ['cached tokens', 'prompt tokens'], where);
  refuseLarger(reasoning, completion, ['reasoning tokens', 'completion tokens'], where);
  const chunks = metrics?.inter_chunk_latency;
  const gaps = chunks?.value.map((gap) => Math.round(gap * nsOf[chunks.unit]!)) ?? null;
  const recordedEnd = nsIn(latency)!;
  const lastToken =
    gaps === null ? Math.max(firstToken, recordedEnd) : gaps.reduce((sum, gap) => sum + gap, firstToken);
  return {
    status: 'ok',
    tokens: { prompt: promptTokens, cached, completion, reasoning, drafted: null, accepted: null },
    times: {
      started: 0,
      firstToken,
      answerToken: reasoning > 0 ? nsIn(metrics?.time_to_first_output_token) : null,
      lastToken,
      ended: Math.max(lastToken, recordedEnd),
      gaps: gaps?.length === completion - 1 ? gaps : null,
    },
  };
}

function nsIn(metric: { value: number; unit: string } | null | undefined): number | null {
  return metric ? Math.round(metric.value * nsOf[metric.unit]!) : null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

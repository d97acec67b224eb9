/** Files as other tools write them, in the forms that their sources document (see each format's file). Imported by tests only. */

const lines = (values: readonly object[]) => `${values.map((value) => JSON.stringify(value)).join('\n')}\n`;

const tokens = (value: number) => ({ value, unit: 'tokens' });
const ms = (value: number) => ({ value, unit: 'ms' });

/** AIPerf 0.14: 40 ms to the first token, then one each 10 ms; a warm-up, a cancelled request, one not streamed. */
export function aiperfRecord(prompt: number, completion: number, startNs: number, more: object = {}): object {
  const gaps = Array.from({ length: completion - 1 }, () => 10);
  return {
    metadata: {
      session_num: 0,
      x_request_id: 'a',
      conversation_id: 'c',
      turn_index: 0,
      request_start_ns: startNs,
      request_ack_ns: startNs + 1_000_000,
      request_end_ns: startNs + (40 + gaps.length * 10 + 2) * 1_000_000,
      worker_id: 'worker_1',
      record_processor_id: 'record_processor_1',
      benchmark_phase: 'profiling',
      was_cancelled: false,
      cancellation_time_ns: null,
    },
    metrics: {
      input_sequence_length: tokens(prompt),
      output_sequence_length: tokens(completion),
      output_token_count: tokens(completion),
      time_to_first_token: ms(40),
      request_latency: ms(42 + gaps.length * 10),
      inter_chunk_latency: { value: gaps, unit: 'ms' },
      inter_token_latency: ms(10),
      ...more,
    },
    error: null,
  };
}

export const aiperfStart = 1_759_813_207_000_000_000;

export function aiperfSample(): string {
  const failed = {
    ...aiperfRecord(30, 2, aiperfStart + 3e9),
    metrics: { error_isl: tokens(30) },
    error: {
      code: 499,
      type: 'RequestCancellationError',
      message: 'Request was cancelled after 0.000 seconds',
    },
  };
  const warmup = aiperfRecord(5, 5, aiperfStart - 5e9) as { metadata: object };
  const plain = aiperfRecord(30, 4, aiperfStart + 4e9, {
    time_to_first_token: undefined,
    inter_chunk_latency: undefined,
  });
  return lines([
    { ...warmup, metadata: { ...warmup.metadata, benchmark_phase: 'warmup' } },
    aiperfRecord(20, 5, aiperfStart),
    aiperfRecord(20, 5, aiperfStart + 20_000_000, {
      usage_prompt_tokens: tokens(22),
      usage_completion_tokens: tokens(6),
      usage_prompt_cache_read_tokens: tokens(16),
      usage_reasoning_tokens: tokens(2),
      time_to_first_output_token: ms(60),
    }),
    failed,
    plain,
  ]);
}

/** vLLM 0.27: start times by a monotonic clock; the third request failed. */
export function vllmResult(more: object = {}): object {
  return {
    date: '20260131-120010',
    endpoint_type: 'openai-chat',
    backend: 'openai-chat',
    label: null,
    model_id: 'meta-llama/Llama-3.1-8B-Instruct',
    tokenizer_id: 'meta-llama/Llama-3.1-8B-Instruct',
    num_prompts: 3,
    request_rate: 'inf',
    burstiness: 1.0,
    max_concurrency: 2,
    duration: 10.0,
    completed: 2,
    failed: 1,
    total_input_tokens: 40,
    total_output_tokens: 9,
    request_throughput: 0.2,
    input_lens: [20, 20, 30],
    output_lens: [5, 4, 0],
    ttfts: [0.04, 0.05, 0.0],
    itls: [[0.01, 0.01, 0.01, 0.01], [0.02], []],
    start_times: [1000.5, 1000.52, 1001],
    generated_texts: ['a', 'b', ''],
    errors: ['', '', 'Traceback (most recent call last):\nConnectionResetError: peer left'],
    mean_ttft_ms: 45,
    ...more,
  };
}

const guidellmRequest = (start: number, prompt: number, completion: number) => ({
  request_id: 'r',
  prompt_tokens: prompt,
  output_tokens: completion,
  info: {
    status: 'completed',
    timings: {
      targeted_start: start - 0.005,
      queued: start - 0.01,
      resolve_start: start,
      request_start: start,
      first_token_iteration: start + 0.04,
      last_token_iteration: start + 0.04 + 0.01 * (completion - 1),
      token_iterations: completion,
      request_end: start + 0.05 + 0.01 * (completion - 1),
      resolve_end: start + 0.06,
    },
    error: null,
  },
  input_metrics: { text_tokens: prompt, cached_tokens: null },
  output_metrics: { text_tokens: completion },
});

/** GuideLLM 0.6 (report version 1): two benchmarks of a sweep by concurrency. */
export function guidellmReport(): object {
  const start = 1_760_000_000.25;
  const errored = guidellmRequest(start + 2, 30, 1);
  const cut = guidellmRequest(start + 3, 30, 1);
  return {
    metadata: { version: 1, guidellm_version: '0.6.0', python_version: '3.12', platform: 'Linux-6.8-x86_64' },
    args: { model: 'Qwen/Qwen3-0.6B', backend: 'openai_http', target: 'http://127.0.0.1:8000' },
    benchmarks: [1, 4].map((streams, index) => ({
      type_: 'generative_benchmark',
      config: { strategy: { type_: 'concurrent', streams } },
      requests: {
        successful: [
          guidellmRequest(start + index * 10, 20, 5),
          guidellmRequest(start + index * 10 + 0.1, 20, 5),
        ],
        incomplete: index === 1 ? [{ ...cut, output_tokens: null }] : [],
        errored:
          index === 1
            ? [{ ...errored, info: { ...errored.info, status: 'errored', error: 'HTTP 503' } }]
            : [],
      },
    })),
  };
}

/** GuideLLM 0.2 and 0.3. */
export function guidellmOldReport(): object {
  const start = 1_745_000_000;
  return {
    benchmarks: [
      {
        type_: 'generative_benchmark',
        args: { strategy: { type_: 'constant', rate: 2.5 } },
        requests: {
          successful: [
            {
              type_: 'generative_text_response',
              prompt_tokens: 20,
              output_tokens: 5,
              start_time: start,
              first_token_time: start + 0.5,
              last_token_time: start + 1.5,
              end_time: start + 1.75,
            },
          ],
          incomplete: [],
          errored: [],
        },
      },
    ],
  };
}

/** llama-bench of build 11669, as it ran for this project on stories260K, on one thread. */
export function llamaTests(): object[] {
  const test = {
    build_commit: 'Debian',
    build_number: 11669,
    cpu_info: 'AMD EPYC',
    gpu_info: '',
    backends: 'CPU',
    model_filename: '/models/stories260K.gguf',
    model_type: 'llama ?B all F32',
    model_size: 1171200,
    model_n_params: 292800,
    n_batch: 2048,
    n_ubatch: 512,
    n_threads: 1,
    type_k: 'f16',
    type_v: 'f16',
    n_prompt: 16,
    n_gen: 0,
    n_depth: 0,
    test_time: '2026-11-28T21:28:47Z',
    avg_ns: 1238646,
    samples_ns: [1295250, 1252880, 1167810],
  };
  return [
    test,
    { ...test, n_prompt: 0, n_gen: 8, samples_ns: [853912, 852950, 830498] },
    { ...test, n_prompt: 16, n_gen: 8, samples_ns: [2375566, 2402126, 2338687] },
    { ...test, n_prompt: 0, n_gen: 8, n_depth: 32, samples_ns: [1346286, 1278568, 1224778] },
  ];
}

/** Events of mlcommons/endpoints: a streamed sample, one that failed, one that the log ends before. */
export function mlperfSample(): string {
  const event = (event_type: string, ms: number, sample_uuid = '', data: unknown = null) => ({
    event_type,
    timestamp_ns: 5e9 + ms * 1e6,
    sample_uuid,
    data,
  });
  return lines([
    event('session.started', 0),
    event('sample.issued', 10, 's1', ['PromptData', 'Once upon a time']),
    event('sample.issued', 20, 's2', ['PromptData', null, [1, 2, 3]]),
    event('sample.issued', 30, 's3', ['PromptData', 'Lily']),
    event('sample.recv_first', 60, 's1'),
    event('sample.recv_non_first', 100, 's1'),
    event('error.client', 110, 's2', ['ErrorData', 'HTTPError', '503']),
    event('sample.complete', 112, 's1', ['TextModelOutput', [', there was', ' a little girl'], null]),
    event('session.ended', 200),
  ]);
}

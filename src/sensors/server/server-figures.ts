import { gpuWatts, nvidiaUtilisationOverNs } from '../gpu-power.js';
import type { Channel } from '../sensor.js';

/** A channel of a server and the samples that it is read from. */
export interface ServerFigure extends Pick<Channel, 'quantity' | 'unit' | 'kind'> {
  sample: string;
  /** Units per count of the sample. */
  scale: number;
  /** A label that the sample must have. */
  where?: readonly [label: string, value: string];
  /** Shown from the first request on: a server that has served none yet has it as well. */
  late?: true;
}

export interface ServerMetrics {
  server: string;
  /** Begins the names of all its samples. */
  prefix: string;
  figures: readonly ServerFigure[];
}

type Details = Pick<ServerFigure, 'where' | 'late'>;
const counts = (sample: string, quantity: string, details: Details = {}): ServerFigure => ({
  sample,
  quantity,
  unit: 'count',
  kind: 'counter',
  scale: 1,
  ...details,
});
const seconds = (sample: string, quantity: string, details: Details = {}): ServerFigure => ({
  ...counts(sample, quantity, details),
  unit: 'ns',
  scale: 1e9,
});
const state = (sample: string, quantity: string, unit: 'count' | 'ratio' = 'count'): ServerFigure => ({
  sample,
  quantity,
  unit,
  kind: 'gauge',
  scale: 1,
});

/**
 * What servers of models count, by their sources: vLLM's v1/metrics/loggers.py (0.10 and later), SGLang's
 * observability/metrics_collector.py and cpu_monitor.py (0.5), llama.cpp's tools/server (2026). Of two samples for the
 * same quantity, the first that is there is taken.
 *
 * `promptTokens` holds cached ones too, `computedPromptTokens` does not. SGLang counts prompt and generated tokens when a
 * request has ended, and its `realtime_tokens` once in some tens of steps; the others count as they go.
 */
export const serverMetrics: readonly ServerMetrics[] = [
  {
    server: 'vLLM',
    prefix: 'vllm:',
    figures: [
      counts('vllm:prompt_tokens_total', 'promptTokens'),
      counts('vllm:prompt_tokens_cached_total', 'cachedPromptTokens'),
      counts('vllm:prefix_cache_hits_total', 'cachedPromptTokens'),
      counts('vllm:generation_tokens_total', 'generatedTokens'),
      // A histogram of the tokens in a step, in spite of its name.
      counts('vllm:iteration_tokens_total_count', 'engineSteps'),
      counts('vllm:iteration_tokens_total_sum', 'stepTokens'),
      counts('vllm:num_preemptions_total', 'preemptions'),
      counts('vllm:spec_decode_num_draft_tokens_total', 'draftTokens'),
      counts('vllm:spec_decode_num_accepted_tokens_total', 'acceptedTokens'),
      state('vllm:num_requests_running', 'requestsRunning'),
      state('vllm:num_requests_waiting', 'requestsWaiting'),
      // A share of 1, in spite of its name.
      state('vllm:kv_cache_usage_perc', 'kvCacheUsage', 'ratio'),
      state('vllm:gpu_cache_usage_perc', 'kvCacheUsage', 'ratio'),
    ],
  },
  {
    server: 'SGLang',
    prefix: 'sglang:',
    figures: [
      counts('sglang:prompt_tokens_total', 'promptTokens', { late: true }),
      counts('sglang:cached_tokens_total', 'cachedPromptTokens', { late: true }),
      counts('sglang:generation_tokens_total', 'generatedTokens', { late: true }),
      counts('sglang:realtime_tokens_total', 'computedPromptTokens', { where: ['mode', 'prefill_compute'] }),
      counts('sglang:realtime_tokens_total', 'decodedTokens', { where: ['mode', 'decode'] }),
      seconds('sglang:forward_execution_seconds_total', 'forwardTime'),
      seconds('sglang:process_cpu_seconds_total', 'cpuTime'),
      state('sglang:num_running_reqs', 'requestsRunning'),
      state('sglang:num_queue_reqs', 'requestsWaiting'),
      state('sglang:token_usage', 'kvCacheUsage', 'ratio'),
    ],
  },
  {
    server: 'llama.cpp',
    prefix: 'llamacpp:',
    figures: [
      counts('llamacpp:prompt_tokens_total', 'computedPromptTokens'),
      counts('llamacpp:prompt_tokens_cached_total', 'cachedPromptTokens'),
      seconds('llamacpp:prompt_seconds_total', 'promptTime'),
      counts('llamacpp:tokens_predicted_total', 'generatedTokens'),
      seconds('llamacpp:tokens_predicted_seconds_total', 'generationTime'),
      counts('llamacpp:n_decode_total', 'engineSteps'),
      counts('llamacpp:spec_decode_num_draft_tokens_total', 'draftTokens'),
      counts('llamacpp:spec_decode_num_accepted_tokens_total', 'acceptedTokens'),
      state('llamacpp:requests_processing', 'requestsRunning'),
      state('llamacpp:requests_deferred', 'requestsWaiting'),
    ],
  },
];

/**
 * CPU time of the one process that answers. It is the server's where that is a single process: vLLM and SGLang compute
 * in others, and the DCGM exporter's own is nobody's.
 */
export const ownCpuTime = seconds('process_cpu_seconds_total', 'cpuTime');
/** When the process that answers began; a change tells that its counters began anew. */
export const processStart = 'process_start_time_seconds';

/** Ranks of one engine work on the same requests, and count each of them. */
export const rankLabels: ReadonlySet<string> = new Set(['tp_rank', 'pp_rank', 'moe_ep_rank']);

/** A channel of a GPU, read from DCGM's exporter. */
export interface GpuFigure extends Pick<Channel, 'quantity' | 'unit' | 'kind' | 'averagedOverNs'> {
  sample: string;
  scale: number;
  most: number;
}

/** The exporter asks the driver anew so often unless it is told otherwise (DCGM_EXPORTER_INTERVAL, 30,000 ms). */
export const exporterEveryNs = 30e9;
const mebibyte = 2 ** 20;

/** NVIDIA's DCGM exporter 3 and 4, by its default-counters.csv. Of two samples for a quantity, the first counts. */
export const gpuFigures: readonly GpuFigure[] = [
  {
    sample: 'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION',
    quantity: 'energy',
    unit: 'J',
    kind: 'counter',
    // It counts millijoules.
    scale: 1e-3,
    most: gpuWatts.most,
  },
  {
    sample: 'DCGM_FI_DEV_POWER_USAGE',
    quantity: 'power',
    unit: 'W',
    kind: 'gauge',
    scale: 1,
    most: gpuWatts.most,
    averagedOverNs: exporterEveryNs + gpuWatts.averagedOverNs,
  },
  {
    sample: 'DCGM_FI_PROF_GR_ENGINE_ACTIVE',
    quantity: 'utilisation',
    unit: 'ratio',
    kind: 'gauge',
    scale: 1,
    most: 1,
    averagedOverNs: exporterEveryNs,
  },
  {
    sample: 'DCGM_FI_DEV_GPU_UTIL',
    quantity: 'utilisation',
    unit: 'ratio',
    kind: 'gauge',
    scale: 1e-2,
    most: 1,
    averagedOverNs: exporterEveryNs + nvidiaUtilisationOverNs,
  },
  {
    sample: 'DCGM_FI_DEV_FB_USED',
    quantity: 'memoryUsed',
    unit: 'B',
    kind: 'gauge',
    scale: mebibyte,
    most: Number.MAX_SAFE_INTEGER,
  },
];

export const wantedSamples: ReadonlySet<string> = new Set([
  ...serverMetrics.flatMap(({ figures }) => figures.map(({ sample }) => sample)),
  ...gpuFigures.map(({ sample }) => sample),
  ownCpuTime.sample,
  processStart,
]);

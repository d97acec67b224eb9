/**
 * What `llama-bench -o json` and `-o jsonl` print (ggml-org/llama.cpp builds 4000 to 11669, tools/llama-bench): an object
 * a test, with the time of each repetition in ns. Nothing is sampled or tokenized in it.
 *
 * A test of generation feeds a first token and then n − 1 more: the passes of a request with one prompt token and n
 * of completion. A test of a prompt evaluates it and chooses nothing: a request without a completion. At a depth d, d
 * positions are in the cache already.
 */
import { z } from 'zod';
import { checked, count } from './checked.js';
import type { Format, ImportedRequest, ImportedRun, ImportedTimes } from './imported.js';

const testSchema = z.looseObject({
  build_commit: z.string().nullish(),
  build_number: count.nullish(),
  cpu_info: z.string().nullish(),
  gpu_info: z.string().nullish(),
  backends: z.string().nullish(),
  model_filename: z.string().nullish(),
  model_type: z.string().nullish(),
  model_n_params: count.nullish(),
  n_threads: count.nullish(),
  n_prompt: count,
  n_gen: count,
  n_depth: count.nullish(),
  test_time: z.iso.datetime({ offset: true }).nullish(),
  samples_ns: z.array(z.number().positive()),
  type_k: z.string().nullish(),
  type_v: z.string().nullish(),
});
type LlamaTest = z.infer<typeof testSchema>;

/** Options of a test that change its time, by the names that the file has for them. */
const options = [
  'n_batch',
  'n_ubatch',
  'n_threads',
  'type_k',
  'type_v',
  'n_gpu_layers',
  'n_cpu_moe',
  'split_mode',
  'main_gpu',
  'no_kv_offload',
  'flash_attn',
  'devices',
  'tensor_split',
  'embeddings',
  'repack',
  'n_depth',
] as const;

export const llamaBench: Format = {
  id: 'llama-bench',
  tool: 'llama-bench',
  file: 'what llama-bench -o json (or jsonl) prints',
  cannotTell:
    'when single tokens came: the first of a generation is put at the mean time of a token, and a prompt without a completion has its end as the time of its first token',
  recognises: (first) => Array.isArray(first.samples_ns) && 'n_gen' in first,
  async *read(values, { note }) {
    for await (const placed of values) {
      const test = checked(testSchema, placed, 'llama-bench');
      if (test.n_prompt > 0 && test.n_gen > 0) {
        note(
          'left out: prompt and generation together (-pg), whose one time tells neither',
          test.samples_ns.length,
        );
        continue;
      }
      if (test.n_prompt + test.n_gen === 0) continue;
      if ((test.type_k ?? 'f16') !== 'f16' || (test.type_v ?? 'f16') !== 'f16')
        note(
          'with a KV cache of another type than f16, by which its bytes are counted',
          test.samples_ns.length,
        );
      const run = runOf(test, placed.value as Record<string, unknown>);
      let atNs = 0;
      for (const ns of test.samples_ns) {
        yield { run, atNs, outcome: outcomeOf(test, Math.round(ns)) };
        atNs += Math.round(ns);
      }
    }
  },
};

function outcomeOf(
  { n_prompt: prompt, n_gen: generated, n_depth }: LlamaTest,
  ns: number,
): ImportedRequest['outcome'] {
  const depth = n_depth ?? 0;
  const tokens = {
    prompt: depth + (generated > 0 ? 1 : prompt),
    cached: depth,
    ...{ completion: generated, reasoning: 0, drafted: null, accepted: null },
  };
  const times: ImportedTimes = {
    started: 0,
    firstToken: generated > 0 ? Math.round(ns / generated) : ns,
    ...{ answerToken: null, lastToken: ns, ended: ns, gaps: null },
  };
  return { status: 'ok', tokens, times };
}

function runOf(test: LlamaTest, all: Readonly<Record<string, unknown>>): ImportedRun {
  const { build_number: build, build_commit: commit, cpu_info: cpu, gpu_info: gpus } = test;
  const setting: ImportedRun['setting'] = {};
  for (const name of options) {
    const value = all[name];
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      setting[name] = value;
  }
  return {
    model:
      test.model_filename
        ?.split(/[\\/]/)
        .at(-1)
        ?.replace(/\.gguf$/i, '') ??
      test.model_type ??
      null,
    parameters: test.model_n_params ?? null,
    setting,
    concurrency: 1,
    engine: {
      name: 'llama.cpp',
      version: [build, commit].filter((part) => part !== undefined && part !== null).join(' ') || null,
      device: test.backends?.toLowerCase() ?? null,
      threads: test.n_threads ?? null,
    },
    machine: cpu ? { cpu, gpus: gpus ? gpus.split(/, |\//).filter(Boolean) : [] } : null,
    os: null,
    startedAt: test.test_time ? Date.parse(test.test_time) : null,
    durationNs: null,
  };
}

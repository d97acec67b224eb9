/**
 * C structs of the pinned release of llama.cpp, as its llama.h and ggml.h declare them. They change between
 * releases, so `checkLayout` holds them against what the library's own defaults are known to be.
 */
import koffi, { type TypeObject } from 'koffi';
import { TokenworkError } from '../../core/errors.js';

const pointer = 'void *';

export const modelParams: TypeObject = koffi.struct({
  devices: pointer,
  tensor_buft_overrides: pointer,
  n_gpu_layers: 'int32',
  split_mode: 'int32',
  load_mode: 'int32',
  lazy_mode: 'int32',
  main_gpu: 'int32',
  tensor_split: pointer,
  progress_callback: pointer,
  progress_callback_user_data: pointer,
  kv_overrides: pointer,
  vocab_only: 'bool',
  check_tensors: 'bool',
  use_extra_bufts: 'bool',
  no_host: 'bool',
  no_alloc: 'bool',
  load_mtp: 'bool',
});

export const contextParams: TypeObject = koffi.struct({
  n_ctx: 'uint32',
  n_batch: 'uint32',
  n_ubatch: 'uint32',
  n_seq_max: 'uint32',
  n_rs_seq: 'uint32',
  n_outputs_max: 'uint32',
  n_outputs_max_per_seq: 'uint32',
  n_threads: 'int32',
  n_threads_batch: 'int32',
  ctx_type: 'int32',
  rope_scaling_type: 'int32',
  pooling_type: 'int32',
  attention_type: 'int32',
  flash_attn_type: 'int32',
  rope_freq_base: 'float',
  rope_freq_scale: 'float',
  yarn_ext_factor: 'float',
  yarn_attn_factor: 'float',
  yarn_beta_fast: 'float',
  yarn_beta_slow: 'float',
  yarn_orig_ctx: 'uint32',
  defrag_thold: 'float',
  cb_eval: pointer,
  cb_eval_user_data: pointer,
  type_k: 'int32',
  type_v: 'int32',
  abort_callback: pointer,
  abort_callback_data: pointer,
  embeddings: 'bool',
  offload_kqv: 'bool',
  no_perf: 'bool',
  op_offload: 'bool',
  swa_full: 'bool',
  kv_unified: 'bool',
  samplers: pointer,
  n_samplers: 'size_t',
  ctx_other: pointer,
});

export const batch: TypeObject = koffi.struct({
  n_tokens: 'int32',
  token: pointer,
  embd: pointer,
  pos: pointer,
  n_seq_id: pointer,
  seq_id: pointer,
  logits: pointer,
});

export const threadpoolParams: TypeObject = koffi.struct({
  cpumask: koffi.array('bool', 512),
  n_threads: 'int32',
  prio: 'int32',
  poll: 'uint32',
  strict_cpu: 'bool',
  paused: 'bool',
});

export type Fields = Record<string, unknown>;

/** Values of `llama_model_default_params` in the pinned release. */
const modelDefaults: Fields = {
  devices: null,
  n_gpu_layers: -1,
  split_mode: 1,
  load_mode: -1,
  lazy_mode: 1,
  kv_overrides: null,
  vocab_only: false,
  check_tensors: false,
  use_extra_bufts: true,
  no_alloc: false,
  load_mtp: false,
};

/** Values of `llama_context_default_params` in the pinned release. */
const contextDefaults: Fields = {
  n_ctx: 512,
  n_batch: 2048,
  n_ubatch: 512,
  n_seq_max: 1,
  n_outputs_max: 0,
  n_outputs_max_per_seq: 1,
  n_threads: 4,
  pooling_type: -1,
  flash_attn_type: -1,
  rope_freq_base: 0,
  yarn_orig_ctx: 0,
  type_k: 1,
  type_v: 1,
  abort_callback: null,
  embeddings: false,
  offload_kqv: true,
  no_perf: true,
  op_offload: true,
  swa_full: true,
  kv_unified: false,
  samplers: null,
  n_samplers: 0,
  ctx_other: null,
};

/** Throws TokenworkError `llama-unavailable` where a library's defaults say that its structs are others. */
export function checkLayout(model: Fields, context: Fields): void {
  const wrong = [
    ...differing('llama_model_params', model, modelDefaults),
    ...differing('llama_context_params', context, contextDefaults),
  ];
  if (wrong.length === 0) return;
  throw new TokenworkError(
    'llama-unavailable',
    `The llama.cpp library that was found has other structs than the pinned release (${wrong.join(', ')}).`,
    'Install the packages anew: npm ci, then npm run setup:gpu.',
  );
}

function differing(struct: string, found: Fields, known: Fields): string[] {
  return Object.entries(known).flatMap(([field, value]) =>
    found[field] === value ? [] : [`${struct}.${field} is ${String(found[field])}`],
  );
}

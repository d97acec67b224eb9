/**
 * TensorRT-LLM's `trtllm-serve`, after tensorrt_llm/serve/{openai_protocol,openai_server,postprocess_handlers}.py of
 * its main branch in summer 2026.
 *
 * Traps. It refuses fields that it does not know. `/metrics` is a queue of statistics that reading empties, so that a
 * scraper would miss what was taken here: it is no probe. `/_internal/tokenize` is of some versions only, and internal.
 */
import type { Dialect } from '../endpoint.js';
import { description, isOwnedBy, versionAt } from './description.js';
import { engineExchange, openAiEvent, runningUsage } from './openai-events.js';
import { replicaOf } from './replica.js';

export const tensorrtLlm: Dialect = {
  kind: 'tensorrt-llm',
  probes: ['/version'],
  recognises: (answers) => isOwnedBy(answers, 'tensorrt_llm'),
  describe(answers) {
    const told = {
      version: versionAt(answers, '/version'),
      ...{ contextLength: null, slots: null, promptCache: null },
      ...{ vocabulary: null, parameters: null, dtype: null },
    };
    return description(told, {
      version: '/version has none',
      slots: 'it stands in /metrics alone, a queue that reading would empty for others',
      promptCache: 'trtllm-serve tells enable_block_reuse by no request',
    });
  },
  takesIds: true,
  forcesLength: true,
  exchange: (request, api, model) => engineExchange(request, api, model, runningUsage),
  read(event) {
    const read = openAiEvent(event);
    read.tokensSoFar = read.usage?.completion ?? null;
    return read;
  },
  readHeaders: (headers) => ({ usage: null, times: null, replica: replicaOf(headers) }),
  tokenizer: null,
};

/**
 * Any other server that speaks OpenAI's API, after OpenAI's reference of 2026 (chat completions, and the legacy
 * completions). A strict server refuses fields that it does not know, so only OpenAI's own are sent: the answer may be
 * shorter than asked for, prompts are text, and tokens are counted at the end.
 */
import type { Dialect } from '../endpoint.js';
import { description } from './description.js';
import { openAiBody, openAiEvent, openAiPath } from './openai-events.js';
import { replicaOf } from './replica.js';

export const openai: Dialect = {
  kind: 'openai',
  probes: [],
  recognises: () => true,
  describe() {
    const reason = "OpenAI's API has no request that tells it";
    return description(
      {
        ...{ version: null, contextLength: null, slots: null, promptCache: null },
        ...{ vocabulary: null, parameters: null, dtype: null },
      },
      {
        ...{ version: reason, contextLength: reason, slots: reason, promptCache: reason },
        ...{ vocabulary: reason, parameters: reason, dtype: reason },
      },
    );
  },
  takesIds: false,
  forcesLength: false,
  exchange: (request, api, model) => ({
    path: openAiPath[api],
    framing: 'sse',
    body: openAiBody(request, api, model),
  }),
  read: openAiEvent,
  readHeaders: (headers) => ({ usage: null, times: null, replica: replicaOf(headers) }),
  tokenizer: null,
};

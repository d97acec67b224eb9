/**
 * Ollama by its own API, after docs/api.md and api/types.go of 0.33 (August 2026).
 *
 * Traps. A prompt longer than the context is cut and the conversation shifted without a word, unless `truncate` and
 * `shift` are false. Nothing generates past the end of text, so answers may be shorter than asked for. `prompt_eval_count`
 * is the whole prompt, `prompt_eval_cached_count` a part of it; versions before mid-2024 leave the first out where all
 * was cached (pull request 5371). Counts of 0 are left out. The model is loaded by the first request (`load_duration`).
 */
import type { Dialect, EventReading, GenerateRequest } from '../endpoint.js';
import { answered, description, limit, settingsOf, versionAt } from './description.js';
import { field, list, nanoseconds, text, textOrNull } from './fields.js';
import { errorOf, openAiPrompt, reading, timesOf, usageOf } from './openai-events.js';
import { replicaOf } from './replica.js';

export const ollama: Dialect = {
  kind: 'ollama',
  probes: ['/api/version', '/api/tags', '/api/ps'],
  // Servers that imitate its API for its clients have the other paths, and seldom /api/ps.
  recognises: (answers) =>
    versionAt(answers, '/api/version') !== null &&
    Array.isArray(field(answered(answers, '/api/ps'), 'models')),
  describe(answers, model) {
    const entry = (path: string) =>
      list(field(answered(answers, path), 'models')).find((listed) =>
        [model, `${model}:latest`].includes(text(field(listed, 'name'))),
      );
    const loaded = entry('/api/ps');
    const details = field(loaded ?? entry('/api/tags'), 'details');
    const told = {
      version: versionAt(answers, '/api/version'),
      contextLength: limit(field(loaded, 'context_length')),
      ...{ slots: null, promptCache: null, vocabulary: null, parameters: null },
      dtype: textOrNull(field(details, 'quantization_level')),
    };
    const reasons = {
      contextLength:
        loaded === undefined
          ? '/api/ps tells it of loaded models only, and this one was not'
          : '/api/ps of this version has no context_length',
      slots: 'Ollama tells OLLAMA_NUM_PARALLEL by no request',
      promptCache: 'Ollama has no setting for it, and no request tells it',
      parameters: 'Ollama tells a rounded size only (setting parameter_size)',
      dtype: 'neither /api/ps nor /api/tags lists the model',
    };
    return description(told, reasons, settingsOf(details, ['format', 'family', 'parameter_size']));
  },
  takesIds: false,
  forcesLength: false,
  exchange: (request, api, model) => ({
    path: api === 'chat' ? '/api/chat' : '/api/generate',
    framing: 'ndjson',
    body: {
      model,
      ...openAiPrompt(request, api),
      // Raw: the model's template would make the prompt longer than it is.
      ...(api === 'chat' ? {} : { raw: true }),
      ...{ stream: true, truncate: false, shift: false },
      options: options(request),
    },
  }),
  read(event): EventReading {
    const message = field(event, 'message');
    const isLast = field(event, 'done') === true;
    return reading({
      text: text(field(message, 'content')) || text(field(event, 'response')),
      reasoning: text(field(message, 'thinking')) || text(field(event, 'thinking')),
      finishReason: textOrNull(field(event, 'done_reason')),
      usage: isLast
        ? usageOf({
            prompt: field(event, 'prompt_eval_count'),
            completion: field(event, 'eval_count') ?? 0,
            cached: field(event, 'prompt_eval_cached_count'),
            from: 'native',
          })
        : null,
      times: timesOf({
        queued: null,
        prefill: nanoseconds(field(event, 'prompt_eval_duration'), 1),
        decode: nanoseconds(field(event, 'eval_duration'), 1),
      }),
      error: errorOf(event),
      isLast,
    });
  },
  readHeaders: (headers) => ({ usage: null, times: null, replica: replicaOf(headers) }),
  tokenizer: null,
};

function options(request: GenerateRequest): Record<string, number> {
  return {
    num_predict: request.maxTokens,
    temperature: request.temperature,
    ...(request.seed === null ? {} : { seed: request.seed }),
    ...(request.topK === null ? {} : { top_k: request.topK }),
  };
}

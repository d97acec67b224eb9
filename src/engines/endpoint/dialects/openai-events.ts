/**
 * The forms of OpenAI's API that the servers share; each dialect adds what is its own. Events come by the ten thousand
 * a second, so that what reads them makes few objects.
 */
import type { ServerTimes } from '../../../core/records/server.js';
import type { DialectExchange, EndpointApi, EventReading, GenerateRequest, TokenUsage } from '../endpoint.js';
import { count, field, fieldsOf, list, text, textOrNull } from './fields.js';

export function reading(told: Partial<EventReading>): EventReading {
  return {
    text: told.text ?? '',
    reasoning: told.reasoning ?? '',
    tokensSoFar: told.tokensSoFar ?? null,
    finishReason: told.finishReason ?? null,
    usage: told.usage ?? null,
    times: told.times ?? null,
    error: told.error ?? null,
    isLast: told.isLast ?? false,
  };
}

/** A chunk of either API, or a whole answer: `delta` of chat, `message` of chat at once, `text` of completions. */
export function openAiEvent(event: unknown): EventReading {
  const choice = firstChoice(field(event, 'choices'));
  const said = field(choice, 'delta') ?? field(choice, 'message');
  return {
    text: text(field(said, 'content')) || text(field(choice, 'text')),
    reasoning: text(field(said, 'reasoning_content')) || text(field(said, 'reasoning')),
    tokensSoFar: null,
    finishReason: textOrNull(field(choice, 'finish_reason')),
    usage: openAiUsage(field(event, 'usage')),
    times: null,
    error: errorOf(event),
    isLast: false,
  };
}

/** One choice is asked for; a further one would be of another sequence. */
function firstChoice(choices: unknown): unknown {
  for (const choice of list(choices)) if ((field(choice, 'index') ?? 0) === 0) return choice;
  return undefined;
}

function openAiUsage(usage: unknown): TokenUsage | null {
  if (fieldsOf(usage) === null) return null;
  return usageOf({
    prompt: field(usage, 'prompt_tokens'),
    completion: field(usage, 'completion_tokens'),
    cached: field(field(usage, 'prompt_tokens_details'), 'cached_tokens'),
    reasoning: field(field(usage, 'completion_tokens_details'), 'reasoning_tokens'),
    from: 'usage',
  });
}

/** Counts as any server may have sent them. Parts that are more than their whole are not believed. */
export function usageOf(told: {
  prompt: unknown;
  completion: unknown;
  cached?: unknown;
  reasoning?: unknown;
  drafted?: unknown;
  accepted?: unknown;
  from: TokenUsage['from'];
}): TokenUsage | null {
  const prompt = count(told.prompt);
  const completion = count(told.completion);
  if (prompt === null || completion === null) return null;
  const drafted = count(told.drafted);
  return {
    prompt,
    completion,
    cached: partOf(prompt, told.cached),
    reasoning: partOf(completion, told.reasoning),
    drafted,
    accepted: drafted === null ? null : partOf(drafted, told.accepted),
    from: told.from,
  };
}

function partOf(whole: number, part: unknown): number | null {
  const known = count(part);
  return known === null || known > whole ? null : known;
}

/** Times that a server told; null where it told none. */
export function timesOf(times: ServerTimes): ServerTimes | null {
  return times.queued === null && times.prefill === null && times.decode === null ? null : times;
}

/** The server's words on what went wrong, in the forms they have inside a stream. */
export function errorOf(event: unknown): string | null {
  const error = field(event, 'error');
  if (error === undefined || error === null)
    return field(event, 'object') === 'error' ? text(field(event, 'message')) || 'no message' : null;
  return textOrNull(error) ?? textOrNull(field(error, 'message')) ?? 'no message';
}

/** The prompt in the form of either API. A text is one message of a conversation where it has to be one. */
export function openAiPrompt({ prompt }: GenerateRequest, api: EndpointApi): Record<string, unknown> {
  if (api === 'completions') {
    if (prompt.kind === 'messages') throw new Error('completions take no messages');
    return { prompt: prompt.kind === 'ids' ? prompt.ids : prompt.text };
  }
  if (prompt.kind === 'ids') throw new Error('chat takes no token ids');
  const messages = prompt.kind === 'text' ? [{ role: 'user', content: prompt.text }] : prompt.messages;
  return { messages };
}

/**
 * The body that all of these servers take. `max_tokens` is deprecated in OpenAI's chat API for
 * `max_completion_tokens`, but every server that one runs takes it, and some take nothing else (TGI 3).
 */
export function openAiBody(request: GenerateRequest, api: EndpointApi, model: string) {
  return {
    model,
    ...openAiPrompt(request, api),
    max_tokens: request.maxTokens,
    temperature: request.temperature,
    ...(request.seed === null ? {} : { seed: request.seed }),
    stream: true,
    stream_options: { include_usage: true },
  };
}

/** Paths are relative to the address, which ends with the version of the API. */
export const openAiPath = { chat: 'chat/completions', completions: 'completions' } as const;

/**
 * The exchange of engines that take two more fields than OpenAI's API: `top_k`, and `ignore_eos` for answers of a given
 * length. `more` is what one of them takes beside these.
 */
export function engineExchange(
  request: GenerateRequest,
  api: EndpointApi,
  model: string,
  more: Record<string, unknown>,
): DialectExchange {
  return {
    path: openAiPath[api],
    framing: 'sse',
    body: {
      ...openAiBody(request, api, model),
      ...(request.topK === null ? {} : { top_k: request.topK }),
      ignore_eos: request.ignoreEos,
      ...more,
    },
  };
}

/** Asks for the counts so far with every event. */
export const runningUsage = {
  stream_options: { include_usage: true, continuous_usage_stats: true },
} as const;

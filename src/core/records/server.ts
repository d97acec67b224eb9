/** The parts of a result that are of requests to a server. */
import { z } from 'zod';

const count = z.int().nonnegative();
const timeNs = z.int();

/** Kinds of servers that are told apart; `openai`: one that speaks OpenAI's API and is none of the others. */
export const serverKinds = [
  'llama.cpp',
  'vllm',
  'sglang',
  'ollama',
  'tgi',
  'tensorrt-llm',
  'openai',
] as const;
export type ServerKind = (typeof serverKinds)[number];

/** A server as it describes itself; null is what it does not tell, and `absent` says why in words. */
export const serverRecordSchema = z.strictObject({
  /** Its address, without user, password and query. */
  url: z.string(),
  kind: z.enum(serverKinds),
  version: z.string().nullable(),
  /** The name under which it serves the model. */
  model: z.string(),
  /** The names of all models that it serves. */
  served: z.array(z.string()),
  /** Positions that one request may have. */
  contextLength: count.nullable(),
  /** Requests that it computes at once. */
  slots: count.nullable(),
  /** Whether it keeps prefixes of prompts from one request to the next. */
  promptCache: z.boolean().nullable(),
  vocabulary: count.nullable(),
  parameters: count.nullable(),
  /** The type of its weights, as it names it. */
  dtype: z.string().nullable(),
  /** Whether it runs on the machine of the client, by its address. */
  onThisMachine: z.boolean(),
  /** Further settings, by the server's own names. */
  settings: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  /** Why a field is null, by its name. */
  absent: z.record(z.string(), z.string()),
});
export type ServerRecord = z.infer<typeof serverRecordSchema>;

/** The time that a server says it spent on a request, in ns by its own clock; null is what it does not tell. */
export const serverTimesSchema = z.strictObject({
  queued: timeNs.nullable(),
  prefill: timeNs.nullable(),
  decode: timeNs.nullable(),
});
export type ServerTimes = z.infer<typeof serverTimesSchema>;

/** The place that token counts come from: `usage` of OpenAI's API, the server's own fields, or its headers. */
export const usageSources = ['usage', 'native', 'headers'] as const;

/** Facts about a request that a server answered, beside its tokens and times. */
export const servedSchema = z.strictObject({
  /** The member of a fleet that answered, by a header; null where none says so. */
  replica: z.string().nullable(),
  /** Times that it was sent again, after answers that said to try later. */
  retries: count,
  finishReason: z.string().nullable(),
  usageFrom: z.enum(usageSources).nullable(),
  /** Whether the server said how many tokens of the prompt it read from its cache; else they are taken as none. */
  toldCached: z.boolean(),
  /** Completion tokens as the client counted them; null where it cannot. */
  clientTokens: count.nullable(),
  /** Events that held text of any channel; one may hold several tokens. */
  events: count,
  /** The first token of the answer, where reasoning was streamed before it. */
  answerToken: timeNs.nullable(),
  times: serverTimesSchema.nullable(),
});
export type Served = z.infer<typeof servedSchema>;

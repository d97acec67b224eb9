/**
 * engines/endpoint/ sends requests to servers of models over HTTP, and tells what came back and when. A `Dialect` is
 * what is particular to one kind of server; everything else is the same for all of them.
 */
import type { FailureCode } from '../../core/codes.js';
import type { ServerKind, ServerRecord, ServerTimes, usageSources } from '../../core/records/server.js';
import type { Nanoseconds } from '../../core/units.js';
import type { ChatMessage } from '../../models/tokenizer.js';

/** The two forms of OpenAI's API; in some dialects a path of the server's own takes their place. */
export const endpointApis = ['chat', 'completions'] as const;
export type EndpointApi = (typeof endpointApis)[number];

/** The prompt as it is sent: token ids hit a length exactly, where the server takes them. */
export type EndpointPrompt =
  | { kind: 'ids'; ids: readonly number[] }
  | { kind: 'text'; text: string }
  | { kind: 'messages'; messages: readonly ChatMessage[] };

export interface GenerateRequest {
  prompt: EndpointPrompt;
  maxTokens: number;
  /** End-of-text is generated past, where the server can be told to; else the answer may be shorter. */
  ignoreEos: boolean;
  temperature: number;
  /** Null leaves it to the server. */
  topK: number | null;
  seed: number | null;
  /** Whether the server may read a prefix of the prompt from its cache, where it can be told. */
  cachePrompt: boolean;
}

/** The tokens of a request as the server counts them; null is what it does not tell. */
export interface TokenUsage {
  prompt: number;
  completion: number;
  /** ⊂ prompt. */
  cached: number | null;
  /** ⊂ completion. */
  reasoning: number | null;
  /** Draft tokens, and those of them that were accepted. */
  drafted: number | null;
  accepted: number | null;
  from: (typeof usageSources)[number];
}

/** Times of an exchange on the run's clock. */
export interface ExchangeTimes {
  sentNs: Nanoseconds;
  /** First event that holds text of any channel, reasoning among them. */
  firstTokenNs: Nanoseconds | null;
  /** The first that holds text of the answer. */
  answerNs: Nanoseconds | null;
  lastTokenNs: Nanoseconds | null;
  endedNs: Nanoseconds;
}

/** The end of a request; one that failed may have been answered in part. */
export interface Generation {
  outcome: { status: 'ok' } | { status: 'failed'; code: FailureCode; message: string };
  times: ExchangeTimes;
  /** Null where nothing told it. */
  usage: TokenUsage | null;
  /** Completion tokens as the client counts them: by ids or running counts in the stream; null where it cannot. */
  clientTokens: number | null;
  /** Events that held text of any channel. */
  events: number;
  /** The gap before each token but the first; null where an event held several, as nothing tells when each was made. */
  tokenGapsNs: Nanoseconds[] | null;
  /** By the server's clock; null where it tells none. */
  serverTimes: ServerTimes | null;
  finishReason: string | null;
  /** The member of a fleet that answered. */
  replica: string | null;
  /** Times that it was sent again, after 429 or 503 with a time to wait. */
  retries: number;
}

export interface EndpointOptions {
  /** Address of the API, such as http://127.0.0.1:8000/v1. */
  url: string;
  /** `auto`: completions where the server takes token ids, else chat. */
  api: EndpointApi | 'auto';
  /** The served model; may be left out where there is one. */
  model?: string | undefined;
  /** Sent as a bearer token, and kept nowhere. */
  apiKey?: string | undefined;
  headers?: Readonly<Record<string, string>> | undefined;
  /** PEM of authorities to trust beside the system's. */
  certificateAuthority?: string | undefined;
  /** Most requests in flight. */
  connections: number;
  /** Times that a request is sent again after 429 or 503. */
  retries: number;
  /** ns on the run's clock. */
  now(): Nanoseconds;
}

export interface GenerateControl {
  /** Of the whole exchange; null for none. */
  deadlineMs: number | null;
  signal?: AbortSignal | undefined;
}

/** A server that has been recognised, and answers requests. */
export interface Endpoint {
  readonly record: ServerRecord;
  readonly api: EndpointApi;
  /** Whether prompts may be token ids. */
  readonly takesIds: boolean;
  /** Whether end-of-text can be generated past, so that answers are as long as asked for. */
  readonly forcesLength: boolean;
  /**
   * Never rejects: what fails is an outcome. Deadline and signal abort the exchange, and the server learns of it by
   * the closed connection.
   */
  generate(request: GenerateRequest, control: GenerateControl): Promise<Generation>;
  /**
   * Ids of a text, or of a conversation by the server's chat template, special tokens included; null where the
   * server offers no tokenizer. Throws TokenworkError `endpoint-failed`.
   */
  tokenize: ((prompt: Exclude<EndpointPrompt, { kind: 'ids' }>) => Promise<number[]>) | null;
  close(): Promise<void>;
}

/** An answer to one of the questions by which a server is recognised. */
export interface ProbeAnswer {
  status: number;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
  /** Parsed where it is JSON, else the text; at most some hundred kB of it. */
  body: unknown;
}

/** The part of an event, or of a whole answer, that a dialect reads. */
export interface EventReading {
  /**
   * Text of the answer; empty for events that only carry a role, usage or nothing. SGLang's own API repeats what came
   * before, so events are not joined.
   */
  text: string;
  reasoning: string;
  /** Completion tokens up to and with this event, where the server says so. */
  tokensSoFar: number | null;
  finishReason: string | null;
  /** Counts up to and with this event: the last that were told hold, and those of a stream that was cut are a part. */
  usage: TokenUsage | null;
  times: ServerTimes | null;
  /** The server's words, where it reports an error inside the stream. */
  error: string | null;
  /** Whether the stream ends with this event, where the framing itself does not say. */
  isLast: boolean;
}

/** An HTTP exchange that a dialect asks for. */
export interface DialectExchange {
  /** Beginning with `/`: from the root of the server, which is its address without `/v1`; else relative to the address. */
  path: string;
  body: Record<string, unknown>;
  framing: 'sse' | 'ndjson';
}

/** The particulars of one kind of server, in the versions that its file names. */
export interface Dialect {
  readonly kind: ServerKind;
  /**
   * Paths from the server's root, which is its address without `/v1`, asked by GET before `recognises`. The list of
   * models is always asked, and stands under `/v1/models` wherever it was found.
   */
  readonly probes: readonly string[];
  recognises(answers: ReadonlyMap<string, ProbeAnswer>): boolean;
  describe(
    answers: ReadonlyMap<string, ProbeAnswer>,
    model: string,
  ): Omit<ServerRecord, 'url' | 'kind' | 'model' | 'served' | 'onThisMachine'>;
  readonly takesIds: boolean;
  readonly forcesLength: boolean;
  /** The server closes the connection after a stream, whatever its headers say: a request sent on it would be lost. */
  readonly closesConnections?: true;
  exchange(request: GenerateRequest, api: EndpointApi, model: string): DialectExchange;
  /** Reads one parsed event. Never throws: what it does not know is left out. */
  read(event: unknown): EventReading;
  /** Counts and times that stand in the headers of an answer. */
  readHeaders(headers: Readonly<Record<string, string>>): Pick<EventReading, 'usage' | 'times'> & {
    replica: string | null;
  };
  /**
   * The tokenizer's exchanges, one after another where the first gives what the second takes: `promptIn` finds the
   * text for `text` in the first answer, null where it holds none.
   */
  readonly tokenizer: {
    text(text: string, model: string): { path: string; body: Record<string, unknown> };
    /** Null where the chat template cannot be applied by the server. */
    messages:
      | ((
          messages: readonly ChatMessage[],
          model: string,
        ) => { path: string; body: Record<string, unknown>; promptIn?: (answer: unknown) => string | null })
      | null;
    /** Null where the answer holds no ids. */
    ids(answer: unknown): number[] | null;
  } | null;
}

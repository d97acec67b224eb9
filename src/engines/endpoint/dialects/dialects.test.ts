import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ServerKind,
  serverKinds,
  serverRecordSchema,
  serverTimesSchema,
} from '../../../core/records/server.js';
import type { Dialect, EndpointApi, EventReading, GenerateRequest, ProbeAnswer } from '../endpoint.js';
import { dialects } from './dialects.js';
import { type PlayedCounts, players, scriptOf } from './player.test-support.js';

const dialectOf = (kind: ServerKind) => dialects.find((dialect) => dialect.kind === kind)!;

function answersOf(kind: ServerKind): Map<string, ProbeAnswer> {
  const played = players[kind].answers;
  return new Map(
    ['/v1/models', ...dialects.flatMap(({ probes }) => probes)].map((path) => [
      path,
      path in played
        ? { status: 200, headers: {}, body: played[path] }
        : { status: 404, headers: {}, body: 'Not Found' },
    ]),
  );
}

const request: GenerateRequest = {
  prompt: { kind: 'text', text: 'one two three' },
  ...{ maxTokens: 5, ignoreEos: true, temperature: 0, topK: null, seed: 7, cachePrompt: true },
};

/** Readings of a played stream. */
function readAll(kind: ServerKind, api: EndpointApi, counts: PlayedCounts): EventReading[] {
  const { chunks } = players[kind].stream(api, counts);
  return chunks.flatMap((chunk) => {
    const data = chunk.replace(/^data: /, '').trim();
    return data === '[DONE]' ? [] : [dialectOf(kind).read(JSON.parse(data))];
  });
}

const lastOf = <Value>(values: readonly (Value | null)[]) =>
  values.findLast((value) => value !== null) ?? null;

describe('the dialects', () => {
  it('are one for each kind of server', () => {
    expect(dialects.map(({ kind }) => kind).toSorted()).toEqual([...serverKinds].toSorted());
  });

  it.each(serverKinds)('recognise %s', (kind) => {
    const answers = answersOf(kind);
    expect(dialects.find((dialect) => dialect.recognises(answers))?.kind).toBe(kind);
  });

  it.each(serverKinds)('describe %s with a reason for every null, and no path, host or key', (kind) => {
    const told = dialectOf(kind).describe(answersOf(kind), 'played');
    const record = {
      ...told,
      kind,
      url: 'http://127.0.0.1:1',
      model: 'played',
      served: [],
      onThisMachine: true,
    };
    expect(serverRecordSchema.parse(record)).toEqual(record);
    const { settings, absent, ...fields } = told;
    const unknown = Object.entries(fields).flatMap(([name, value]) => (value === null ? [name] : []));
    expect(Object.keys(absent).toSorted()).toEqual(unknown.toSorted());
    expect(JSON.stringify({ fields, settings })).not.toMatch(/\/srv|0\.0\.0\.0|secret/);
  });

  it.each(serverKinds)('describe %s that answers nothing as unknown in everything', (kind) => {
    const { settings, absent, ...fields } = dialectOf(kind).describe(new Map(), 'played');
    expect(Object.values(fields).every((value) => value === null)).toBe(true);
    expect(Object.keys(absent).toSorted()).toEqual(Object.keys(fields).toSorted());
  });

  it.each(serverKinds)('ask %s for what its player answers', (kind) => {
    const played = players[kind];
    for (const api of ['chat', 'completions'] as const) {
      const { path, body } = dialectOf(kind).exchange(request, api, 'played');
      expect(path.startsWith('/') ? path : `/v1/${path}`).toBe(played.paths[api]);
      expect(JSON.stringify(body)).toContain('one two three');
      expect(body.stream ?? true).toBe(true);
    }
  });

  it.each(
    serverKinds.flatMap((kind) => (['chat', 'completions'] as const).map((api) => [kind, api] as const)),
  )('read what %s sends in %s: each token once, and all counts at the end', (kind, api) => {
    const counts = { prompt: 12, cached: 8, completion: 6, reasoning: api === 'chat' ? 2 : 0 };
    const readings = readAll(kind, api, counts);
    const usage = lastOf(readings.map((reading) => reading.usage))!;
    expect(usage).toMatchObject({ prompt: 12, completion: 6 });
    expect([8, null]).toContain(usage.cached);
    expect([counts.reasoning, null]).toContain(usage.reasoning);
    expect(readings.filter(({ text, reasoning }) => text !== '' || reasoning !== '')).toHaveLength(6);
    const soFar = readings.flatMap(({ tokensSoFar }) => (tokensSoFar === null ? [] : [tokensSoFar]));
    expect(new Set(soFar.filter((count) => count > 0)).size).toBe(soFar.length === 0 ? 0 : 6);
    expect(soFar).toEqual(soFar.toSorted((a, b) => a - b));
    expect(lastOf(readings.map(({ finishReason }) => finishReason))).toBe('length');
    expect(readings.every(({ error }) => error === null)).toBe(true);
  });

  it.each(serverKinds)('have a script of %s that answers all that is asked', (kind) => {
    const script = scriptOf(players[kind], { prompt: 3, cached: 0, completion: 2, reasoning: 0 });
    const { tokenizer, exchange } = dialectOf(kind);
    const asked = [
      ...[exchange(request, 'chat', 'played'), exchange(request, 'completions', 'played')],
      ...(tokenizer === null ? [] : [tokenizer.text('one', 'played')]),
    ];
    for (const { path } of asked)
      expect(Object.keys(script)).toContain(`POST ${path.startsWith('/') ? path : `/v1/${path}`}`);
    expect(Object.keys(script)).toContain('GET /v1/models');
  });

  it.each(serverKinds)('count the tokens that the tokenizer of %s gives, where it has one', (kind) => {
    const { tokenizer } = dialectOf(kind);
    if (tokenizer === null) return;
    const ids = (asked: { path: string; body: Record<string, unknown> }) =>
      tokenizer.ids(players[kind].tokenize(asked.path, asked.body));
    const ofText = ids(tokenizer.text('one two three', 'played'))!;
    expect(ofText.length).toBe(kind === 'llama.cpp' ? 4 : 3);
    const asked = tokenizer.messages?.([{ role: 'user', content: 'one two three' }], 'played');
    if (asked === undefined) return;
    const prompt = asked.promptIn?.(players[kind].tokenize(asked.path, asked.body));
    expect(ids(prompt == null ? asked : tokenizer.text(prompt, 'played'))!.length).toBe(ofText.length + 1);
    expect(tokenizer.ids({ error: 'no' })).toBeNull();
    expect(asked.promptIn?.('garbage') ?? null).toBeNull();
  });
});

const names = [
  ...[
    'choices',
    'delta',
    'message',
    'text',
    'content',
    'index',
    'usage',
    'prompt_tokens',
    'completion_tokens',
  ],
  ...['prompt_tokens_details', 'cached_tokens', 'completion_tokens_details', 'reasoning_tokens', 'timings'],
  ...['cache_n', 'prompt_n', 'prompt_ms', 'predicted_n', 'predicted_ms', 'draft_n', 'draft_n_accepted'],
  ...['meta_info', 'finish_reason', 'type', 'metrics', 'speculative_decoding', 'num_draft_tokens', 'error'],
  ...[
    'done',
    'response',
    'prompt_eval_count',
    'eval_count',
    'eval_duration',
    'token',
    'details',
    'reasoning',
  ],
  ...['generated_tokens', 'input_length', 'object', '__proto__', 'constructor', 'accepted_prediction_tokens'],
];
const hostileNumber = fc.oneof(
  fc.integer(),
  fc.nat(9),
  fc.double(),
  fc.constantFrom(Number.POSITIVE_INFINITY, Number.NaN, -1, 2 ** 53, 1e300, 0.5),
);
const hostileLeaf = fc.oneof(
  ...[hostileNumber, fc.string(), fc.boolean(), fc.constant(null)],
  fc.constantFrom('NaN', '12', '-1', '1e999', 'error', 'abort'),
);
const { body: hostileBody } = fc.letrec<{ body: unknown }>((tie) => ({
  body: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    hostileLeaf,
    fc.array(tie('body'), { maxLength: 3 }),
    // As JSON.parse makes it: `__proto__` is a field like any other.
    fc
      .array(fc.tuple(fc.constantFrom(...names), tie('body')), { maxLength: 8 })
      .map((fields) => Object.fromEntries(fields)),
  ),
}));
const isCount = (value: unknown) => value === null || (Number.isSafeInteger(value) && (value as number) >= 0);

function expectSound({ usage, times, tokensSoFar, ...read }: EventReading): void {
  expect([typeof read.text, typeof read.reasoning, typeof read.isLast]).toEqual([
    'string',
    'string',
    'boolean',
  ]);
  for (const words of [read.finishReason, read.error]) expect(words === null || words !== '').toBe(true);
  expect(isCount(tokensSoFar)).toBe(true);
  if (times !== null) expect(serverTimesSchema.safeParse(times).success).toBe(true);
  if (usage === null) return;
  const { from, ...counts } = usage;
  expect(Object.values(counts).every(isCount)).toBe(true);
  expect(counts.cached ?? 0).toBeLessThanOrEqual(counts.prompt);
  expect(counts.reasoning ?? 0).toBeLessThanOrEqual(counts.completion);
  expect(counts.accepted ?? 0).toBeLessThanOrEqual(counts.drafted ?? 0);
}

describe('whatever a server sends', () => {
  it.each(serverKinds)('%s: an event is read to sound counts, or none', (kind) => {
    const dialect: Dialect = dialectOf(kind);
    fc.assert(
      fc.property(hostileBody, (event) => expectSound(dialect.read(event))),
      { numRuns: 100 },
    );
  });

  it.each(serverKinds)('%s: counts of every size in its own forms are sound, or none', (kind) => {
    const counts = { prompt: 12, cached: 8, completion: 2, reasoning: 1 };
    const chunks = (['chat', 'completions'] as const).flatMap(
      (api) => players[kind].stream(api, counts).chunks,
    );
    const events = chunks
      .map((chunk) => chunk.replace(/^data: /, '').trim())
      .filter((data) => data !== '[DONE]');
    // Mostly counts, as one that is none hides the others.
    const leaf = fc.oneof({ weight: 9, arbitrary: fc.nat(9) }, { weight: 1, arbitrary: hostileLeaf });
    const spoilt = (data: string, leaves: readonly unknown[]) => {
      let at = 0;
      return JSON.parse(data, (_, value) =>
        typeof value === 'number' ? leaves[at++ % leaves.length] : value,
      );
    };
    fc.assert(
      fc.property(fc.array(leaf, { minLength: 7, maxLength: 7 }), (leaves) => {
        for (const data of events) expectSound(dialectOf(kind).read(spoilt(data, leaves)));
      }),
      { numRuns: 60 },
    );
  });

  it.each(serverKinds)('%s: answers to probes, of the tokenizer and headers throw nothing', (kind) => {
    const { probes, recognises, describe: describes, tokenizer, readHeaders } = dialectOf(kind);
    const answer = fc.record({
      status: fc.constantFrom(200, 404, 500),
      headers: fc.constant({}),
      body: hostileBody,
    });
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 4 }), hostileBody, (bodies, body) => {
        const paths = ['/v1/models', ...probes];
        const answers = new Map(bodies.map((each, at) => [paths[at % paths.length]!, each]));
        expect(typeof recognises(answers)).toBe('boolean');
        const { settings, absent, ...fields } = describes(answers, 'played');
        const record = {
          ...fields,
          settings,
          absent,
          kind,
          url: '',
          model: '',
          served: [],
          onThisMachine: true,
        };
        expect(serverRecordSchema.safeParse(record).success).toBe(true);
        const ids = tokenizer?.ids(body) ?? null;
        expect(ids === null || ids.every(isCount)).toBe(true);
      }),
      { numRuns: 100 },
    );
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom(
            'x-prompt-tokens',
            'x-generated-tokens',
            'x-queue-time',
            'x-replica-id',
            '__proto__',
          ),
          fc.oneof(fc.string(), fc.constantFrom('12', '-3', '1e9', '9'.repeat(30), 'NaN')),
        ),
        (headers) => {
          const { usage, times } = readHeaders(headers);
          if (times !== null) expect(serverTimesSchema.safeParse(times).success).toBe(true);
          if (usage !== null) expect(isCount(usage.prompt) && isCount(usage.completion)).toBe(true);
        },
      ),
    );
  });
});

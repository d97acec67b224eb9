import { describe, expect, it } from 'vitest';
import { lacksShared, sharedPath } from '../../shared-files.test-support.js';
import { readTrace } from '../trace.js';
import { jsonLines, traceFiles } from './trace-file.test-support.js';

const read = traceFiles();
const request = { input_length: 8, output_length: 2 };

// kvcache-ai/Mooncake, FAST25-release/README.md: both of its samples.
describe('a trace of Mooncake', () => {
  const samples = [
    {
      timestamp: 27482,
      input_length: 6955,
      output_length: 52,
      hash_ids: [46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 2353, 2354],
    },
    {
      timestamp: 30535,
      input_length: 6472,
      output_length: 26,
      hash_ids: [46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 2366],
    },
  ];

  it('has times in milliseconds, and blocks of 512 tokens', async () => {
    const { requests, warnings } = await read(jsonLines(samples));
    expect(requests).toEqual([
      {
        promptTokens: 6955,
        completionTokens: 52,
        arrivalNs: 0,
        blocks: { ids: [46, 12, 2353, 2], count: 14, size: 512 },
      },
      {
        promptTokens: 6472,
        completionTokens: 26,
        arrivalNs: 3_053_000_000,
        blocks: { ids: [46, 12, 2366, 1], count: 13, size: 512 },
      },
    ]);
    expect(warnings).toEqual([]);
  });

  it('may be an array, begin with a byte order mark, and have CRLF and blank lines', async () => {
    const { requests } = await read(jsonLines(samples));
    const crlf = `\uFEFF\r\n${jsonLines(samples).replaceAll('\n', '\r\n\r\n')}`;
    expect((await read(crlf)).requests).toEqual(requests);
    expect((await read(JSON.stringify(samples, null, 1))).requests).toEqual(requests);
  });

  it('says where prompts have fewer ids than whole blocks, whose rest is not shared', async () => {
    const trace = await read(jsonLines([{ ...request, input_length: 1100, hash_ids: [1] }]));
    expect(trace.warnings).toMatchObject([{ code: 'trace-blocks-missing' }]);
    const full = await read(jsonLines([{ ...request, input_length: 1100, hash_ids: [1, 2] }]));
    expect(full.warnings).toEqual([]);
  });

  it.each([
    [{ ...request, hash_ids: [1, 2] }, /2 hash_ids are more than the 1 blocks of 512 tokens in 8/],
    [{ ...request, hash_ids: '1' }, /hash_ids is "1", and not an array/],
    [{ ...request, hash_ids: [0.5] }, /the 1\. of hash_ids is 0.5/],
    [{ ...request, hash_ids: [2 ** 60] }, /the 1\. of hash_ids is 1152921504606847000/],
    [{ ...request, hash_ids: [-1] }, /the 1\. of hash_ids is -1/],
    [
      { ...request, timestamp: '2023-11-16' },
      /the timestamp is "2023-11-16", and not a number of milliseconds/,
    ],
    [{ ...request, timestamp: -1 }, /the timestamp is -1/],
    [{ ...request, delay: [] }, /the delay is \[\]/],
    [{ ...request, chat_id: 4, timestamp: 1 }, /it has a chat_id, as lines of Bailian do/],
    [[1, 2], /it is no object/],
    [{ ...request, input_length: 1.5 }, /the prompt length is 1.5/],
    [{ output_length: 1 }, /the prompt length is missing/],
  ])('%j is refused by line', async (bad, message) => {
    await expect(read(jsonLines([request, bad]))).rejects.toMatchObject({
      code: 'bad-trace',
      message: expect.stringMatching(new RegExp(`:2: ${message.source}`)),
    });
  });
});

// ai-dynamo/aiperf, src/aiperf/dataset/loader/models.py (0109a64): MooncakeTrace, SingleTurn and MultiTurn.
describe('a trace of AIPerf', () => {
  it('has fractions of milliseconds', async () => {
    const { requests } = await read(
      jsonLines([
        { ...request, timestamp: 0 },
        { ...request, timestamp: 0.25 },
        { ...request, timestamp: 1000 },
      ]),
    );
    expect(requests.map(({ arrivalNs }) => arrivalNs)).toEqual([0, 250_000, 1e9]);
  });

  it('has no times where requests wait for answers, and says so', async () => {
    const { requests, warnings } = await read(
      jsonLines([
        { session_id: 'a', timestamp: 5, ...request },
        { session_id: 'a', delay: 2, ...request },
        { session_id: 'b', timestamp: 6, ...request },
      ]),
    );
    expect(requests.map(({ arrivalNs }) => arrivalNs)).toEqual([null, null, null]);
    expect(warnings).toMatchObject([
      { code: 'trace-without-times', message: expect.stringMatching(/1 request \(first on line 2\)/) },
    ]);
  });

  it.each([
    [{ text: 'Hello', timestamp: 0 }, 'text'],
    [{ text_input: 'Hello', output_length: 4 }, 'text_input'],
    [{ session_id: 'a', turns: [{ text: 'Hello' }, { text: 'And?', delay: 3 }] }, 'turns'],
    // vllm/benchmarks/datasets: CustomDataset.
    [{ prompt: 'What is the capital of India?', output_tokens: 10 }, 'prompt'],
    [{ conversations: [{ from: 'human', value: 'Hello' }] }, 'conversations'],
    [{ custom_id: '1', method: 'POST', url: '/v1/chat/completions', body: {} }, 'body'],
  ])('that is of texts, such as %j, is referred to --prompts', async (prompt, field) => {
    for (const content of [jsonLines([prompt]), JSON.stringify([prompt])])
      await expect(read(content)).rejects.toMatchObject({
        code: 'bad-trace',
        message: expect.stringContaining(`:1: it has a text in "${field}"`),
        hint: expect.stringContaining('--prompts'),
      });
  });
});

// alibaba-edu/qwen-bailian-usagetraces-anon, README (03a51e3).
describe('a trace of Bailian', () => {
  const sample = {
    ...{ chat_id: 159, parent_chat_id: 55, timestamp: 61.114, input_length: 33, output_length: 132 },
    ...{ type: 'text', turn: 2, hash_ids: [1089, 1090, 1091] },
  };

  it('has times in seconds, and blocks of 16 tokens', async () => {
    const { requests } = await read(jsonLines([sample, { ...sample, chat_id: 160, timestamp: 62.5 }]));
    expect(requests.map(({ arrivalNs }) => arrivalNs)).toEqual([0, 1_386_000_000]);
    expect(requests[0]!.blocks).toEqual({ ids: [1089, 3], count: 3, size: 16 });
  });

  it('has chat_id on every line, as without one times would be milliseconds', async () => {
    const { chat_id: _, ...without } = sample;
    await expect(read(jsonLines([sample, without]))).rejects.toMatchObject({
      message: expect.stringContaining(':2: it has no chat_id'),
    });
  });

  it.skipIf(lacksShared)('reads the sample whose times were once taken for milliseconds', async () => {
    const { requests } = await readTrace(sharedPath('cases/21-bailian.jsonl'));
    expect(requests.map(({ arrivalNs }) => arrivalNs)).toEqual([0, 1_386_000_000]);
  });
});

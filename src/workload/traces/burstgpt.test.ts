import { describe, expect, it } from 'vitest';
import { traceFiles } from './trace-file.test-support.js';

const read = traceFiles();

// HPMLL/BurstGPT, README: data/BurstGPT_1.csv has six columns, BurstGPT_3.csv (version 2) eight.
const header = 'Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n';

describe('a trace of BurstGPT', () => {
  it('has times in seconds from the first request on', async () => {
    const trace = await read(
      `${header}5,ChatGPT,472,18,490,Conversation log\n45,ChatGPT,1087,230,1317,Conversation log\n118,GPT-4,417,276,693,Conversation log\n`,
    );
    expect(trace.requests).toEqual([
      { promptTokens: 472, completionTokens: 18, arrivalNs: 0, blocks: null },
      { promptTokens: 1087, completionTokens: 230, arrivalNs: 40e9, blocks: null },
      { promptTokens: 417, completionTokens: 276, arrivalNs: 113e9, blocks: null },
    ]);
    expect(trace.warnings).toEqual([]);
  });

  it('of version 2 has sessions, and fractions of seconds', async () => {
    const { requests } = await read(
      'Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n' +
        '19440110.0,1722ac82-0a46-4bf0-aa08-89794e7a2b3f,43,GPT-4,906,446,1352,Conversation log\n' +
        '19440161.25,d5983bf9-4b48-497b-892b-a58995247443,2,ChatGPT,36,29,65,Conversation log\n',
    );
    expect(requests.map(({ arrivalNs }) => arrivalNs)).toEqual([0, 51_250_000_000]);
  });

  it('leaves out requests that failed, and says how many', async () => {
    const trace = await read(
      `${header}1,GPT-4,300,0,300,API log\n2,GPT-4,3,4,7,API log\n3,GPT-4,0,0,0,API log\n4,GPT-4,5,6,11,API log\n`,
      { limit: 2 },
    );
    expect(trace.requests.map(({ promptTokens, arrivalNs }) => [promptTokens, arrivalNs])).toEqual([
      [3, 0],
      [5, 2e9],
    ]);
    expect(trace.warnings).toMatchObject([
      { code: 'trace-failures-left-out', message: expect.stringMatching(/2 requests \(first on line 2\)/) },
    ]);
  });

  it.each([
    [`${header}x,GPT-4,1,1,2,API log\n`, /:2: Timestamp is "x"/],
    [`${header}-1,GPT-4,1,1,2,API log\n`, /:2: Timestamp is "-1"/],
    [`${header}1e400,GPT-4,1,1,2,API log\n`, /:2: Timestamp is "1e400"/],
    [`${header}1,GPT-4,,1,2,API log\n`, /:2: the prompt length is ""/],
    [`${header}1,GPT-4,1,-3,2,API log\n`, /:2: the completion length is "-3"/],
    ['Timestamp,Model,Request tokens\n1,GPT-4,1\n', /:1: the header names no Response tokens column/],
  ])('%j names its bad line', async (content, message) => {
    await expect(read(content)).rejects.toMatchObject({
      code: 'bad-trace',
      message: expect.stringMatching(message),
    });
  });
});

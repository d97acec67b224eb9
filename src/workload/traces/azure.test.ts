import { describe, expect, it } from 'vitest';
import { lacksShared, sharedPath } from '../../shared-files.test-support.js';
import { readTrace } from '../trace.js';
import { traceFiles } from './trace-file.test-support.js';

const read = traceFiles();
const header = 'TIMESTAMP,ContextTokens,GeneratedTokens\n';
const arrivals = async (content: string) => (await read(content)).requests.map(({ arrivalNs }) => arrivalNs);

// AzurePublicDataset, AzureLLMInferenceDataset2023.md and 2024.md: TIMESTAMP, ContextTokens, GeneratedTokens.
describe('a trace of Azure', () => {
  it('of 2023 has times to 100 ns', async () => {
    const { requests } = await read(
      `${header}2023-11-16 18:17:03.9799600,4808,10\r\n2023-11-16 18:17:04.0319600,3180,8\r\n2023-11-17 18:17:03.9799601,7,1`,
    );
    expect(requests).toEqual([
      { promptTokens: 4808, completionTokens: 10, arrivalNs: 0, blocks: null },
      { promptTokens: 3180, completionTokens: 8, arrivalNs: 52_000_000, blocks: null },
      { promptTokens: 7, completionTokens: 1, arrivalNs: 86_400e9 + 100, blocks: null },
    ]);
  });

  // The first times of AzureLLMInferenceTrace_conv_1week.csv; whole seconds are written without a fraction.
  it('of 2024 has times to 1 µs with an offset', async () => {
    expect(
      await arrivals(
        `${header}2024-05-12 00:00:00.001163+00:00,1,1\n2024-05-12 00:00:00.041683+00:00,1,1\n2024-05-12 00:00:10+00:00,1,1\n2024-05-12 02:00:10.5+02:00,1,1\n`,
      ),
    ).toEqual([0, 40_520_000, 9_998_837_000, 10_498_837_000]);
  });

  it('has no times without TIMESTAMP', async () => {
    expect(await arrivals('GeneratedTokens,ContextTokens\n1,2\n')).toEqual([null]);
  });

  it.each(['yesterday', '', '1', '2023-02-30 00:00:00', '2023-11-16 24:01:00', '2023-11-16 18:17:03.97.1'])(
    'with the time %j is refused by line',
    async (time) => {
      await expect(read(`${header}2023-01-01 00:00:00,1,1\n${time},1,1\n`)).rejects.toMatchObject({
        code: 'bad-trace',
        message: expect.stringMatching(/:3: TIMESTAMP is .*not a date and time/),
      });
    },
  );
});

const azure = sharedPath('data/azure-llm-code-2023.csv');
describe.skipIf(lacksShared)('the Azure code trace of 2023', () => {
  it('reads whole, with the mean lengths its authors publish', async () => {
    const { requests, warnings } = await readTrace(azure);
    expect(requests).toHaveLength(8819);
    // Splitwise (ISCA 2024), figure 3: a median prompt of 1500 tokens and 13 output tokens for coding.
    const middle = (lengths: number[]) => lengths.sort((a, b) => a - b)[Math.floor(lengths.length / 2)]!;
    expect(middle(requests.map(({ promptTokens }) => promptTokens))).toBeCloseTo(1500, -2);
    expect(middle(requests.map(({ completionTokens }) => completionTokens))).toBe(13);
    expect(warnings).toEqual([]);
    // The first and the last line of the file.
    const spanNs = (Date.parse('2023-11-16T19:14:19.928Z') - Date.parse('2023-11-16T18:17:03.979Z')) * 1e6;
    expect(Math.abs(requests.at(-1)!.arrivalNs! - spanNs)).toBeLessThan(2e6);
  });
});

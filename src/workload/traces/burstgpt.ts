import { type Fail, type Fields, found, type TraceFormat, tokenCount, wholeNumber } from './format.js';
import { decimalSeconds } from './moment.js';

/**
 * BurstGPT, as vllm bench and AIPerf read it too: Timestamp (in seconds from the first day's midnight), Model, Request
 * tokens, Response tokens, Total tokens, Log Type; since version 2 with Session ID and Elapsed time. A request without
 * response tokens is one that failed.
 */
export const burstGpt: TraceFormat & { columns: readonly string[] } = {
  name: 'BurstGPT',
  columns: ['Timestamp', 'Request tokens', 'Response tokens'],
  read: (fields: Fields, fail: Fail) => {
    const time = decimalSeconds(String(fields.timestamp));
    if (time === null) throw fail(`Timestamp ${found(fields.timestamp)}, and not a number of seconds`);
    const [prompt, completion] = [fields['request tokens'], fields['response tokens']];
    if (/^0+$/.test(String(prompt)) || /^0+$/.test(String(completion))) return null;
    return {
      promptTokens: tokenCount(wholeNumber(prompt), 'prompt', fail),
      completionTokens: tokenCount(wholeNumber(completion), 'completion', fail),
      time,
      blocks: null,
    };
  },
};

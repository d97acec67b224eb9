import { type Fail, type Fields, found, type TraceFormat, tokenCount, wholeNumber } from './format.js';
import { dateTime } from './moment.js';

/**
 * Azure's LLM inference traces: TIMESTAMP, ContextTokens, GeneratedTokens. Of 2023 the times have seven digits after the
 * second and no offset, of 2024 six digits, or none, and `+00:00`. A trace of lengths alone has no TIMESTAMP.
 */
export const azure: TraceFormat & { columns: readonly string[] } = {
  name: 'Azure',
  columns: ['ContextTokens', 'GeneratedTokens'],
  read: ({ timestamp, contexttokens, generatedtokens }: Fields, fail: Fail) => {
    const promptTokens = tokenCount(wholeNumber(contexttokens), 'prompt', fail);
    const completionTokens = tokenCount(wholeNumber(generatedtokens), 'completion', fail);
    if (timestamp === undefined) return { promptTokens, completionTokens, time: null, blocks: null };
    const time = dateTime(String(timestamp));
    if (time === null)
      throw fail(`TIMESTAMP ${found(timestamp)}, and not a date and time as 2023-11-16 18:17:03.9799600`);
    return { promptTokens, completionTokens, time, blocks: null };
  },
};

import { blocksOf, type Fail, type Fields, numericTime, type TraceFormat, tokenCount } from './format.js';

/** Tokens of a block (Qin et al., Mooncake, FAST 2025). */
const blockTokens = 512;

/**
 * Mooncake's traces, which AIPerf (`mooncake_trace`) and vllm bench (`timed_trace`) read too: timestamp in milliseconds,
 * input_length, output_length, hash_ids. AIPerf's may have `delay` in place of a timestamp: a time after the answer to
 * the request before it.
 */
export const mooncake: TraceFormat = {
  name: 'Mooncake',
  read: (fields: Fields, fail: Fail) => {
    if (fields.chat_id !== undefined)
      throw fail(
        'it has a chat_id, as lines of Bailian do, whose times are seconds; the first line had none',
      );
    const promptTokens = tokenCount(fields.input_length, 'prompt', fail);
    const time = numericTime(fields.timestamp, 'timestamp', 'milliseconds', fail);
    const delay = numericTime(fields.delay, 'delay', 'milliseconds', fail);
    return {
      promptTokens,
      completionTokens: tokenCount(fields.output_length, 'completion', fail),
      time: time ?? (delay === null ? null : 'after-answer'),
      blocks: blocksOf(fields.hash_ids, blockTokens, promptTokens, fail),
    };
  },
};

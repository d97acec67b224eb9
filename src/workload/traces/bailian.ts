import { blocksOf, type Fail, type Fields, numericTime, type TraceFormat, tokenCount } from './format.js';

/** Tokens of a block (README of qwen-bailian-usagetraces-anon). */
const blockTokens = 16;

/**
 * Alibaba Bailian's traces of Qwen: fields as Mooncake's and chat_id, by which they are told apart, since the timestamp
 * is in seconds and a block has 16 tokens.
 */
export const bailian: TraceFormat = {
  name: 'Bailian',
  read: (fields: Fields, fail: Fail) => {
    if (fields.chat_id === undefined) throw fail('it has no chat_id, and the first line had one');
    const promptTokens = tokenCount(fields.input_length, 'prompt', fail);
    return {
      promptTokens,
      completionTokens: tokenCount(fields.output_length, 'completion', fail),
      time: numericTime(fields.timestamp, 'timestamp', 'seconds', fail),
      blocks: blocksOf(fields.hash_ids, blockTokens, promptTokens, fail),
    };
  },
};

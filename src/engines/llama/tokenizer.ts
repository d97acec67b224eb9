import type { ModelTokenizer } from '../engine.js';
import type { LlamaModel } from './model.js';

/**
 * The tokenizer inside a GGUF file, for as long as its model is open. Marks of special tokens in a text are read as
 * such.
 */
export function vocabularyTokenizer({ api, vocabulary }: LlamaModel): ModelTokenizer {
  return {
    encode(text) {
      const bytes = Buffer.from(text);
      const withEnd = Buffer.concat([bytes, Buffer.alloc(64)]);
      const room = (length: number) => {
        const tokens = new Int32Array(Math.max(length, 64));
        const count = api.tokenize(vocabulary, withEnd, bytes.length, tokens, tokens.length, true, true);
        return { tokens, count };
      };
      // A negative count is the room that was needed.
      let { tokens, count } = room(bytes.length + 8);
      if (count < 0) ({ tokens, count } = room(-count));
      return Array.from(tokens.subarray(0, count));
    },
    decode(ids) {
      const tokens = new Int32Array(Math.max(ids.length, 64));
      tokens.set(ids);
      const room = (length: number) => {
        const text = Buffer.alloc(Math.max(length, 64));
        return {
          text,
          count: api.detokenize(vocabulary, tokens, ids.length, text, text.length, true, false),
        };
      };
      let { text, count } = room(8 * ids.length);
      if (count < 0) ({ text, count } = room(-count));
      return text.toString('utf8', 0, Math.max(0, count));
    },
  };
}

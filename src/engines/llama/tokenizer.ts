import { Template } from '@huggingface/jinja';
import { messageOf, TokenworkError } from '../../core/errors.js';
import type { ChatMessage } from '../../models/tokenizer.js';
import type { ModelTokenizer } from '../engine.js';
import type { LlamaModel } from './model.js';

/**
 * The tokenizer inside a GGUF file, for as long as its model is open. Marks of special tokens in a text are read as
 * such. Chat templates are rendered here and not by llama.cpp, whose C API knows a list of them by sight.
 */
export function vocabularyTokenizer({
  api,
  address,
  vocabulary,
}: Pick<LlamaModel, 'api' | 'address' | 'vocabulary'>): ModelTokenizer {
  const encode = (text: string, addSpecial: boolean) => {
    const bytes = Buffer.from(text);
    const withEnd = Buffer.concat([bytes, Buffer.alloc(64)]);
    const room = (length: number) => {
      const tokens = new Int32Array(Math.max(length, 64));
      const count = api.tokenize(vocabulary, withEnd, bytes.length, tokens, tokens.length, addSpecial, true);
      return { tokens, count };
    };
    // A negative count is the room that was needed.
    let { tokens, count } = room(bytes.length + 8);
    if (count < 0) ({ tokens, count } = room(-count));
    return Array.from(tokens.subarray(0, count));
  };
  const textOf = (token: number) => (token < 0 ? '' : api.tokenText(vocabulary, token));
  const source = api.chatTemplate(address, null);
  // Parsed once: requests are timed while they are tokenized.
  let template: Template | undefined;
  const encodeChat = (text: string, messages: readonly ChatMessage[]) => {
    const rendered = rendering(() => {
      template ??= new Template(text);
      return template.render({
        messages,
        add_generation_prompt: true,
        bos_token: textOf(api.beginningToken(vocabulary)),
        eos_token: textOf(api.endToken(vocabulary)),
      });
    });
    // The template writes BOS itself where the model wants one.
    return encode(rendered, false);
  };
  return {
    encode: (text) => encode(text, true),
    encodeChat: source === null ? null : (messages) => encodeChat(source, messages),
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

function rendering(render: () => string): string {
  try {
    return render();
  } catch (cause) {
    throw new TokenworkError(
      'bad-tokenizer',
      `The chat template inside the GGUF file (tokenizer.chat_template) does not render: ${messageOf(cause)}`,
      'Give prompts as texts, or put a tokenizer.json and chat_template.jinja that fit beside the file.',
      { cause },
    );
  }
}

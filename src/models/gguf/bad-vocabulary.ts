import type { GgufModel } from './read.js';

/** Lists that llama.cpp reads along with the tokens; it does not load a model that has one with fewer entries. */
const alongTokens = ['scores', 'token_type'];

/**
 * Why llama.cpp would not load a model for its vocabulary's sake, or would end the process on it; null where nothing
 * speaks against it. By `llama_vocab::impl::load` of the pinned release.
 */
export function badVocabulary({ metadata, tokens, tensors }: GgufModel): string | null {
  const kind = metadata.get('tokenizer.ggml.model');
  if (typeof kind !== 'string') return 'it names no tokenizer (tokenizer.ggml.model)';
  if (tokens === null || tokens.length === 0) return 'its vocabulary has no tokens (tokenizer.ggml.tokens)';
  const distinct = new Set(tokens.map((token, id) => token || `[EMPTY_${id}]`)).size;
  if (distinct !== tokens.length)
    return `its vocabulary repeats tokens: ${tokens.length} hold ${distinct} different texts`;
  for (const name of alongTokens) {
    const list = metadata.get(`tokenizer.ggml.${name}`);
    if (list !== undefined && !(Array.isArray(list) && list.length >= tokens.length))
      return `its vocabulary has ${tokens.length} tokens, and tokenizer.ggml.${name} is no list of so many`;
  }
  if (kind === 'gpt2' && !Array.isArray(metadata.get('tokenizer.ggml.merges')))
    return 'its vocabulary has no merges (tokenizer.ggml.merges)';
  const rows = tensors.find(({ name }) => name === 'token_embd.weight')?.shape[1];
  return rows === undefined || rows === tokens.length
    ? null
    : `its vocabulary has ${tokens.length} tokens, and its embedding table ${rows} rows`;
}

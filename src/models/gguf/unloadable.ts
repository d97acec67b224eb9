import type { GgufModel } from './read.js';

/**
 * Why llama.cpp would not load a model, or would end the process on it; null where nothing is known to speak against it. By
 * the assertions of the pinned release: `llama_model_base::load_hparams`, `llama_vocab::impl::load` and ggml's operators.
 */
export function whyUnloadable(model: GgufModel): string | null {
  return badVocabulary(model) ?? badShape(model) ?? badVectors(model);
}

/** Lists that are read along with the tokens; a model that has one with fewer entries is not loaded. */
const alongTokens = ['scores', 'token_type'];

function badVocabulary({ metadata, tokens, tensors }: GgufModel): string | null {
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

const [mostLayers, mostExperts] = [512, 1024];
/** Architectures whose graphs take for granted that a head's keys, its values and what is rotated are alike in width. */
const evenHeads = new Set(['llama', 'qwen2', 'qwen2moe', 'qwen3', 'qwen3moe', 'olmoe']);
const ropeScalings = ['none', 'linear', 'yarn', 'longrope'];

function badShape({ architecture, metadata }: GgufModel): string | null {
  const value = (key: string) => metadata.get(`${architecture}.${key}`);
  const count = (key: string) => {
    const stored = value(key);
    // Some models give each layer its own number.
    const list = (Array.isArray(stored) ? stored : [stored ?? 0]).map(Number);
    return list.reduce((largest, one) => Math.max(largest, one), 0);
  };
  const [layers, experts, used] = [count('block_count'), count('expert_count'), count('expert_used_count')];
  if (layers < 1 || layers > mostLayers) return `it has ${layers} layers`;
  if (count('nextn_predict_layers') > layers) return 'it has more layers that predict ahead than layers';
  if (experts > mostExperts || used > experts || (experts > 0 && used < 1))
    return `it uses ${used} of ${experts} experts`;
  const [groups, groupsUsed] = [count('expert_group_count'), count('expert_group_used_count')];
  const groupsFit = groups <= 1 || (experts % groups === 0 && groupsUsed > 0 && groupsUsed < groups);
  if (groups > 0 && (groups >= experts || !groupsFit))
    return `it has ${experts} experts in ${groups} groups, of which it uses ${groupsUsed}`;
  const whole = Number(value('embedding_length')) / Number(value('attention.head_count'));
  const keys = value('attention.key_length') ?? whole;
  const [values, rotated] = [value('attention.value_length') ?? whole, value('rope.dimension_count') ?? keys];
  if (evenHeads.has(architecture) && (values !== keys || rotated !== keys))
    return `its heads have keys of ${keys}, values of ${values} and rotate ${rotated}, which ${architecture} does not`;
  const scaling = value('rope.scaling.type');
  if (typeof scaling === 'string' && !ropeScalings.includes(scaling))
    return `its positions are scaled in a way that is not known ("${scaling}")`;
  for (const key of ['layer_norm_epsilon', 'layer_norm_rms_epsilon', 'group_norm_epsilon']) {
    const epsilon = value(`attention.${key}`);
    if (typeof epsilon === 'number' && !(epsilon >= 0)) return `its attention.${key} is ${epsilon}`;
  }
  return null;
}

/** Norms and biases are added and multiplied as they are, for which ggml has floats alone. */
function badVectors({ tensors }: GgufModel): string | null {
  const bad = tensors.find(
    ({ name, shape, type }) =>
      (/norm\.weight$|\.bias$/.test(name) || shape.length === 1) &&
      /^(?:weight|bias)$/.test(name.split('.').at(-1)!) &&
      !/^(?:F32|F16|BF16)$/.test(type),
  );
  return bad ? `its tensor ${bad.name} is of type ${bad.type}, in which no vector can be` : null;
}

import type { Dtype } from '../../dtype.js';
import type { EncoderHead, EncoderRecipe } from '../../encoder/recipe.js';
import { tokenizerOf, transformersJs } from '../folder-files.js';
import { synthesiseVocabulary } from '../vocabulary.js';

const [pad, cls, sep] = ['[PAD]', '[CLS]', '[SEP]'];

/** Files beside an encoder's ONNX file in a transformers.js folder, by name. */
export function encoderFiles(
  recipe: EncoderRecipe,
  head: EncoderHead,
  dtype: Dtype,
  externalData: boolean,
): Record<string, unknown> {
  const names = { pad_token: pad, cls_token: cls, sep_token: sep };
  return {
    'config.json': { ...configOf(recipe, head), ...transformersJs(dtype, externalData) },
    'tokenizer.json': encoderTokenizer(recipe),
    'tokenizer_config.json': {
      tokenizer_class: 'PreTrainedTokenizerFast',
      model_max_length: recipe.contextLength,
      clean_up_tokenization_spaces: false,
      ...names,
    },
    'special_tokens_map.json': names,
  };
}

function configOf(recipe: EncoderRecipe, head: EncoderHead): Record<string, unknown> {
  return {
    model_type: 'bert',
    architectures: [head.kind === 'embedding' ? 'BertModel' : 'BertForSequenceClassification'],
    vocab_size: recipe.vocabulary,
    hidden_size: recipe.hiddenSize,
    num_hidden_layers: recipe.layers,
    num_attention_heads: recipe.heads,
    intermediate_size: recipe.intermediateSize,
    max_position_embeddings: recipe.contextLength,
    type_vocab_size: recipe.tokenTypes,
    layer_norm_eps: recipe.normEpsilon,
    hidden_act: 'gelu',
    pad_token_id: recipe.padTokenId,
    ...(head.kind === 'classification' ? labelsOf(head.labels) : {}),
  };
}

function labelsOf(count: number): Record<string, unknown> {
  const names = Array.from({ length: count }, (_, label) => `LABEL_${label}`);
  return {
    id2label: Object.fromEntries(names.entries()),
    label2id: Object.fromEntries(names.map((name, label) => [name, label])),
  };
}

/**
 * A byte-level BPE that sets every text between [CLS] and [SEP]. BERT's own WordPiece knows English words
 * only; what a text costs to tokenize is much the same.
 */
function encoderTokenizer(recipe: EncoderRecipe): Record<string, unknown> {
  const { vocabulary, padTokenId, clsTokenId, sepTokenId } = recipe;
  const special = [
    { id: padTokenId, content: pad },
    { id: clsTokenId, content: cls },
    { id: sepTokenId, content: sep },
  ];
  const mark = (name: string) => ({ SpecialToken: { id: name, type_id: 0 } });
  const entry = (name: string, id: number) => [name, { id: name, ids: [id], tokens: [name] }] as const;
  return {
    ...tokenizerOf(synthesiseVocabulary(vocabulary, special)),
    post_processor: {
      type: 'TemplateProcessing',
      single: [mark(cls), { Sequence: { id: 'A', type_id: 0 } }, mark(sep)],
      pair: [
        mark(cls),
        { Sequence: { id: 'A', type_id: 0 } },
        mark(sep),
        { Sequence: { id: 'B', type_id: 1 } },
        mark(sep),
      ],
      special_tokens: Object.fromEntries([entry(cls, clsTokenId), entry(sep, sepTokenId)]),
    },
  };
}

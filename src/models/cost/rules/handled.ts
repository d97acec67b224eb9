/**
 * What of each operator the rules take into account: every attribute and how many inputs. An attribute or
 * input that stands here in no way, or is set to something the rule does not know, makes the node "not
 * counted exactly": a newer operator set cannot change what an old rule counts without being noticed.
 *
 * `name` is read by the rule; `name~` changes neither shape nor cost as it is counted, whatever it is set to;
 * `name=value` is counted for that value only; `name!` is never counted. `inputs` is how many inputs the rule
 * knows, with those among them that it does not: `5 !4`.
 */
import type { Attributes } from '../../onnx/attributes.js';
import type { AttributeProto, NodeProto } from '../../onnx/proto.js';

const any = '∞';

/** Operators, their attributes, their inputs. */
const rows: readonly [operators: string, attributes: string, inputs: string][] = [
  ['Abs Neg Ceil Floor Round Sign Reciprocal Sqrt Exp Log Erf Relu Sigmoid Tanh Softplus Softsign', '', '1'],
  ['Mish HardSwish IsNaN Not BitwiseNot Identity Size', '', '1'],
  ['Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh', '', '1'],
  ['Elu Celu LeakyRelu ThresholdedRelu Swish QuickGelu', 'alpha~', '1'],
  ['HardSigmoid', 'alpha~ beta~', '1'],
  ['Selu', 'alpha~ gamma~', '1'],
  ['Gelu', 'approximate', '1'],
  ['FastGelu BiasGelu PRelu', '', '2'],
  ['Add Sub Mul Div Pow And Or Xor Less Greater Equal', 'axis broadcast~', '2'],
  ['LessOrEqual GreaterOrEqual BitwiseAnd BitwiseOr BitwiseXor', '', '2'],
  ['BitShift', 'direction~', '2'],
  ['Mod', 'fmod', '2'],
  ['Clip', 'min max', '3'],
  ['IsInf', 'detect_negative~ detect_positive~', '1'],
  ['Sum Mean Max Min', '', any],
  ['Where', '', '3'],
  ['Cast', 'to saturate~ round_mode~', '1'],
  ['CastLike', 'saturate~ round_mode~', '2'],

  ['Shape', 'start end', '1'],
  ['Reshape', 'shape allowzero', '2'],
  ['Flatten', 'axis', '1'],
  ['Squeeze Unsqueeze', 'axes', '2'],
  [
    'Constant',
    'value value_int value_ints value_float value_floats value_string~ value_strings sparse_value',
    '0',
  ],
  ['ConstantOfShape', 'value', '1'],
  ['Range', 'stash_type~', '3'],
  ['Dropout', 'ratio~ seed~ is_test~', '3'],

  ['Transpose', 'perm', '1'],
  ['Concat', 'axis', any],
  ['Slice', 'starts ends axes', '5'],
  ['Split', 'axis split num_outputs~', '2'],
  ['Expand Tile', '', '2'],
  ['Pad', 'pads paddings mode~ value~', '4'],
  ['com.microsoft.Pad', 'mode~', '3'],
  ['DepthToSpace SpaceToDepth', 'blocksize mode~', '1'],
  ['EyeLike', 'dtype k~', '1'],
  ['Trilu', 'upper~', '2'],
  ['ReverseSequence', 'batch_axis~ time_axis~', '2'],
  ['RandomNormal RandomUniform', 'dtype shape mean~ scale~ seed~ high~ low~', '0'],
  ['RandomNormalLike RandomUniformLike', 'dtype mean~ scale~ seed~ high~ low~', '1'],

  ['Gather', 'axis', '2'],
  ['GatherElements', 'axis~', '2'],
  ['GatherND', 'batch_dims', '2'],
  ['GatherBlockQuantized', 'bits block_size~ gather_axis quantize_axis~', '4'],
  ['Scatter', 'axis~', '3'],
  ['ScatterElements', 'axis~ reduction', '3'],
  ['ScatterND', 'reduction', '3'],
  ['TensorScatter', 'axis~ mode~', '3'],
  ['OneHot', 'axis', '3'],
  ['NonZero', '', '1'],
  ['TopK', 'axis k largest~ sorted~', '2'],
  ['Compress', 'axis~', '2'],
  ['Unique', 'axis~ sorted~', '1'],
  ['NonMaxSuppression', 'center_point_box~', '5'],
  ['ArgMax ArgMin', 'axis keepdims select_last_index~', '1'],

  ['ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd', 'axes keepdims noop_with_empty_axes', '2'],
  [
    'ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSum ReduceLogSumExp',
    'axes keepdims noop_with_empty_axes',
    '2',
  ],
  ['CumSum', 'exclusive~ reverse~', '2'],
  ['Softmax LogSoftmax Hardmax', 'axis~', '1'],
  ['LayerNormalization', 'axis epsilon~ stash_type~', '3'],
  ['SimplifiedLayerNormalization', 'axis epsilon~ stash_type~', '2'],
  ['RMSNormalization', 'axis epsilon~ stash_type~', '2'],
  ['com.microsoft.SkipLayerNormalization', 'epsilon~', '5'],
  ['com.microsoft.SkipSimplifiedLayerNormalization', 'epsilon~', '4'],
  ['com.microsoft.EmbedLayerNormalization', 'epsilon~ mask_index_type~', '9'],
  ['BatchNormalization', 'epsilon~ momentum~ is_test~ spatial=1 training_mode=0', '5'],
  ['InstanceNormalization', 'epsilon~', '3'],
  ['GroupNormalization', 'epsilon~ num_groups~ stash_type~', '3'],
  ['com.microsoft.GroupNorm', 'activation channels_last~ epsilon~ groups~', '3'],
  ['MeanVarianceNormalization', 'axes~', '1'],
  ['LpNormalization', 'axis~ p~', '1'],
  ['LRN', 'size alpha~ beta~ bias~', '1'],

  ['MatMul', '', '2'],
  ['Gemm', 'alpha beta transA transB broadcast~', '3'],
  [
    'com.microsoft.FusedGemm',
    'alpha beta transA transB activation activation_alpha~ activation_beta~ activation_gamma~',
    '3',
  ],
  ['com.microsoft.FusedMatMul', 'alpha transA transB transBatchA transBatchB', '2'],
  ['com.microsoft.TransposeMatMul', 'alpha transA transB', '2'],
  ['Einsum', 'equation', any],

  ['Conv', 'auto_pad dilations group kernel_shape~ pads strides', '3'],
  [
    'com.microsoft.FusedConv',
    'auto_pad dilations group kernel_shape~ pads strides activation activation_params~',
    '4',
  ],
  ['com.microsoft.NhwcConv', 'auto_pad dilations group kernel_shape~ pads strides', '3'],
  ['ConvTranspose', 'auto_pad dilations group kernel_shape~ output_padding output_shape pads strides', '3'],
  ['DeformConv', 'dilations group kernel_shape~ offset_group~ pads strides', '5'],
  ['com.microsoft.CausalConvWithState', 'activation channels_last=0 dilation=1 ndim=1 state_window!', '4'],
  ['MaxPool', 'auto_pad ceil_mode dilations kernel_shape pads storage_order~ strides', '1'],
  ['AveragePool', 'auto_pad ceil_mode count_include_pad~ dilations kernel_shape pads strides', '1'],
  ['LpPool', 'auto_pad ceil_mode dilations kernel_shape p~ pads strides', '1'],
  ['GlobalAveragePool GlobalMaxPool', '', '1'],
  ['GlobalLpPool', 'p~', '1'],
  [
    'Resize',
    'antialias axes coordinate_transformation_mode cubic_coeff_a~ exclude_outside~ extrapolation_value~ keep_aspect_ratio_policy mode nearest_mode~',
    '4',
  ],
  ['Upsample', 'mode scales height_scale width_scale', '2'],
  ['DFT', 'axis inverse~ onesided', '3'],

  ['MatMulInteger', '', '4'],
  ['com.microsoft.MatMulInteger16', '', '2'],
  ['QLinearMatMul', '', '8'],
  ['com.microsoft.MatMulIntegerToFloat', '', '7'],
  ['com.microsoft.DynamicQuantizeMatMul', '', '5'],
  ['com.microsoft.QGemm', 'alpha~ transA transB', '9'],
  ['com.microsoft.MatMulNBits', 'K N bits~ block_size accuracy_level weight_prepacked=0', '6'],
  ['com.microsoft.MatMulBnb4', 'K N block_size quant_type~ training_mode=0 transB=1', '3'],
  ['DequantizeLinear', 'axis~ block_size~ output_dtype', '3'],
  ['QuantizeLinear', 'axis~ block_size~ output_dtype precision~ saturate~', '3'],
  ['DynamicQuantizeLinear', '', '1'],
  ['QLinearConv', 'auto_pad channels_last=0 dilations group kernel_shape~ pads strides', '9'],
  ['ConvInteger', 'auto_pad dilations group kernel_shape~ pads strides', '4'],
  ['com.microsoft.QLinearAdd', '', '8'],
  ['com.microsoft.QLinearMul', '', '8'],
  ['com.microsoft.QLinearSigmoid', '', '5'],
  ['com.microsoft.QLinearLeakyRelu', 'alpha~', '5'],
  ['com.microsoft.QLinearConcat', 'axis', any],
  [
    'com.microsoft.QLinearAveragePool',
    'auto_pad ceil_mode channels_last=0 count_include_pad~ kernel_shape pads strides',
    '5',
  ],
  ['com.microsoft.QLinearGlobalAveragePool', 'channels_last', '5'],

  [
    'com.microsoft.GroupQueryAttention',
    'num_heads kv_num_heads do_rotary local_window_size softcap smooth_softmax rotary_interleaved~ scale~ qk_norm_epsilon~ qk_output=0 causal=1 k_quant_type=NONE v_quant_type=NONE kv_cache_bit_width=0 sliding_window_cache=0',
    '16 !12 !13',
  ],
  [
    'Attention',
    'is_causal q_num_heads kv_num_heads softcap scale~ qk_matmul_output_mode~ softmax_precision~ left_window_size=-1 right_window_size=-1',
    '7 !6',
  ],
  [
    'com.microsoft.Attention',
    'num_heads qkv_hidden_sizes unidirectional do_rotary rotary_embedding_dim=0 mask_filter_value~ scale~ past_present_share_buffer=0',
    '7 !6',
  ],
  [
    'com.microsoft.QAttention',
    'num_heads unidirectional do_rotary=0 mask_filter_value~ scale~ past_present_share_buffer=0',
    '9',
  ],
  ['com.microsoft.MultiHeadAttention', 'num_heads unidirectional mask_filter_value~ scale~', '10 !8 !9'],
  [
    'com.microsoft.DecoderMaskedMultiHeadAttention',
    'num_heads past_present_share_buffer mask_filter_value~ scale~ output_qk~',
    '11 !8 !9',
  ],
  ['com.microsoft.LongformerAttention', 'num_heads window', '7'],
  ['RotaryEmbedding', 'num_heads rotary_embedding_dim interleaved~', '4'],
  [
    'com.microsoft.RotaryEmbedding',
    'num_heads rotary_embedding_dim interleaved~ is_packed_batching~ scale~',
    '4',
  ],
  [
    'com.microsoft.MoE',
    'k activation_type activation_alpha~ activation_beta~ swiglu_limit~ swiglu_fusion~ normalize_routing_weights~ use_sparse_mixer=0',
    '8',
  ],
  [
    'com.microsoft.QMoE',
    'k expert_weight_bits activation_type activation_alpha~ activation_beta~ swiglu_limit~ swiglu_fusion~ normalize_routing_weights~ use_sparse_mixer=0 block_size~ quant_type=int weights_prepacked~',
    '15',
  ],
  [
    'LSTM',
    'hidden_size layout clip activations~ activation_alpha~ activation_beta~ direction~ input_forget=0 output_sequence~',
    '8',
  ],
  [
    'com.microsoft.DynamicQuantizeLSTM',
    'hidden_size clip activations~ activation_alpha~ activation_beta~ direction~ input_forget=0',
    '12',
  ],
  [
    'GRU',
    'hidden_size layout clip activations~ activation_alpha~ activation_beta~ direction~ linear_before_reset~ output_sequence~',
    '6',
  ],
  [
    'RNN',
    'hidden_size layout clip activations~ activation_alpha~ activation_beta~ direction~ output_sequence~',
    '6',
  ],

  ['com.microsoft.RemovePadding com.microsoft.RestorePadding', '', '2'],
  [
    'com.microsoft.BeamSearch com.microsoft.GreedySearch com.microsoft.Sampling',
    'decoder! init_decoder! encoder! model_type~ vocab_size~ eos_token_id~ pad_token_id~ decoder_start_token_id~ no_repeat_ngram_size~ early_stopping~ temperature~ top_p~ filter_value~ min_tokens_to_keep~ presence_penalty~ custom~',
    '12',
  ],
];

/** The way in which an attribute is taken into account. */
type Handling = { kind: 'read' | 'free' | 'refused' } | { kind: 'only'; value: string };

export interface HandledOperator {
  attributes: ReadonlyMap<string, Handling>;
  /** Number of inputs that the rule knows. */
  inputs: number;
  refusedInputs: ReadonlySet<number>;
}

/** Left from when operators could work in place. */
const everywhere: [string, Handling][] = [['consumed_inputs', { kind: 'free' }]];

/** Keyed by operator, with its domain where that is com.microsoft and the operator is not in both. */
export const handledOperators: ReadonlyMap<string, HandledOperator> = new Map(
  rows.flatMap(([operators, attributes, inputs]) => {
    const [known, ...refused] = inputs.split(' ');
    const entry: HandledOperator = {
      attributes: new Map([...everywhere, ...attributes.split(' ').filter(Boolean).map(handling)]),
      inputs: known === any ? Number.POSITIVE_INFINITY : Number(known),
      refusedInputs: new Set(refused.map((index) => Number(index.slice(1)))),
    };
    return operators.split(' ').map((operator) => [operator, entry] as const);
  }),
);

function handling(text: string): [string, Handling] {
  const [, name = '', mark = '', value = ''] = /^(\w+)([~!]?)=?(.*)$/.exec(text) ?? [];
  if (mark) return [name, { kind: mark === '~' ? 'free' : 'refused' }];
  return [name, value === '' ? { kind: 'read' } : { kind: 'only', value }];
}

/** The rules' knowledge of an operator; those of com.microsoft may share ONNX's. */
export function handledOf(domain: string, opType: string): HandledOperator | undefined {
  return (
    (domain ? handledOperators.get(`${domain}.${opType}`) : undefined) ??
    handledOperators.get(opType) ??
    handledOperators.get(`com.microsoft.${opType}`)
  );
}

/** Why a node is not counted exactly by its operator's rule, in words; null where it is. */
export function unhandledIn(domain: string, node: NodeProto, attributes: Attributes): string | null {
  const entry = handledOf(domain, node.opType);
  if (!entry) return null;
  for (const attribute of node.attribute ?? []) {
    const how = entry.attributes.get(attribute.name);
    if (how === undefined || how.kind === 'refused') return `its attribute ${attribute.name} is not counted`;
    if (how.kind !== 'only') continue;
    const value = settingOf(attribute, attributes);
    if (value !== how.value) return `its attribute ${attribute.name} is ${value}`;
  }
  const input = node.input?.findIndex(
    (name, index) => name !== '' && (index >= entry.inputs || entry.refusedInputs.has(index)),
  );
  return input === undefined || input < 0 ? null : `its input ${input} is not counted`;
}

function settingOf({ name, s, f, i }: AttributeProto, attributes: Attributes): string {
  if (s) return attributes.string(name, '');
  return String(i ?? f ?? 0);
}

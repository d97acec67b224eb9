import type { Mixture } from '../recipe.js';
import { gatedFeedForward } from './feed-forward.js';
import { contrib } from './graph-builder.js';
import { blockSize, linear, pathOf, quantisedBits, scalesFor, uniformFor, type Writer } from './linear.js';
import { elementType, floatTypeOf } from './tensor.js';

/**
 * A mixture of SwiGLU experts: a router picks the experts of each token, and ONNX Runtime's MoE or QMoE
 * runs them. The router's logits are an output of the graph, router_logits.N [batch, new, experts]: they
 * are computed anyway, and tell which experts a pass has touched.
 */
export function mixtureOfExperts(writer: Writer, layer: number, input: string, mixture: Mixture): string {
  const { graph, recipe } = writer;
  const module = `model.layers.${layer}.mlp`;
  const path = pathOf(module);
  const { hiddenSize } = recipe;
  const routerOutput = `router_logits.${layer}`;
  const shape = ['batch_size', 'sequence_length', mixture.experts];
  graph.output(routerOutput, floatTypeOf(writer.dtype), shape);
  const router = linear(writer, {
    module: `${module}.gate`,
    input,
    inputSize: hiddenSize,
    outputSize: mixture.experts,
    quantise: false,
    output: routerOutput,
  });
  const rows = graph.node('Reshape', `${path}/router/Reshape`, [
    router,
    graph.constant(`${module}.router_shape`, [-1, mixture.experts]),
  ]);
  const bits = quantisedBits(writer.dtype);
  // Gate and up projections interleaved row by row: the only SwiGLU layout the CPU kernels take.
  const up = expertWeights(
    writer,
    `${module}.experts.gate_up_proj`,
    mixture,
    2 * mixture.expertSize,
    hiddenSize,
  );
  const down = expertWeights(writer, `${module}.experts.down_proj`, mixture, hiddenSize, mixture.expertSize);
  const opType = bits ? 'QMoE' : 'MoE';
  const normalised = graph.node(opType, `${path}/${opType}`, [input, rows, ...up, '', ...down], {
    domain: contrib,
    attributes: {
      k: { int: mixture.expertsPerToken },
      activation_type: { string: 'swiglu' },
      swiglu_fusion: { int: 1 },
      // The op's default is gpt-oss's variant; these make it plain silu(gate) · up.
      activation_alpha: { float: 1 },
      activation_beta: { float: 0 },
      normalize_routing_weights: { int: 1 },
      ...(bits ? { expert_weight_bits: { int: bits }, block_size: { int: blockSize } } : {}),
    },
  });
  const routed = mixture.normaliseRouting
    ? normalised
    : graph.node('Mul', `${path}/router/Mul`, [normalised, chosenShare(writer, module, router, mixture)]);
  return mixture.sharedExpertSize === 0
    ? routed
    : graph.node('Add', `${path}/Add`, [
        routed,
        sharedExpert(writer, module, input, mixture.sharedExpertSize),
      ]);
}

/**
 * The chosen experts' summed probability, [.., 1], which undoes the normalisation. The ops cannot be
 * asked to leave it out: in ONNX Runtime 1.30 QMoE always normalises, and MoE without it overwrites its
 * input when it runs in place.
 */
function chosenShare(
  { graph }: Writer,
  module: string,
  router: string,
  { expertsPerToken }: Mixture,
): string {
  const path = `${pathOf(module)}/router`;
  const probabilities = graph.node('Softmax', `${path}/Softmax`, [router], {
    attributes: { axis: { int: -1 } },
  });
  const count = graph.constant(`${module}.chosen_count`, [expertsPerToken]);
  const chosen = graph.node('TopK', `${path}/TopK`, [probabilities, count], {
    outputs: [`${path}/TopK/output_0`, `${path}/TopK/output_1`],
  });
  return graph.node('ReduceSum', `${path}/ReduceSum`, [chosen, graph.constant(`${module}.last_axis`, [-1])]);
}

/** The expert every token passes, scaled by a sigmoid gate of its own (qwen2_moe). */
function sharedExpert(writer: Writer, module: string, input: string, width: number): string {
  const { graph, recipe } = writer;
  const path = pathOf(`${module}.shared_expert_gate`);
  const expert = gatedFeedForward(writer, `${module}.shared_expert`, input, width);
  const gate = linear(writer, {
    module: `${module}.shared_expert_gate`,
    input,
    inputSize: recipe.hiddenSize,
    outputSize: 1,
    quantise: false,
  });
  return graph.node('Mul', `${path}/Mul`, [expert, graph.node('Sigmoid', `${path}/Sigmoid`, [gate])]);
}

function expertWeights(
  { graph, dtype }: Writer,
  module: string,
  { experts }: Mixture,
  outputSize: number,
  inputSize: number,
): string[] {
  const bits = quantisedBits(dtype);
  if (bits === null) {
    const dims = [experts, outputSize, inputSize];
    return [graph.tensor(`${module}.weight`, dims, floatTypeOf(dtype), uniformFor(inputSize))];
  }
  return [
    graph.tensor(
      `${module}.weight_q${bits}`,
      [experts, outputSize, Math.ceil((inputSize * bits) / 8)],
      elementType.uint8,
      { kind: bits === 4 ? 'nibbles' : 'bytes' },
    ),
    graph.tensor(
      `${module}.weight_scales`,
      [experts, outputSize, Math.ceil(inputSize / blockSize)],
      elementType.float,
      scalesFor(inputSize, bits),
    ),
  ];
}

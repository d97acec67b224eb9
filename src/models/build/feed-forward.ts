import { contrib } from './graph-builder.js';
import { linear, pathOf, type Writer } from './linear.js';

/** SwiGLU: down(silu(gate(x)) · up(x)), of inner width `width`. */
export function gatedFeedForward(writer: Writer, module: string, input: string, width: number): string {
  const { graph, recipe } = writer;
  const { hiddenSize, mlpBias } = recipe;
  const path = pathOf(module);
  const inner = (part: 'gate' | 'up') =>
    linear(writer, {
      module: `${module}.${part}_proj`,
      input,
      inputSize: hiddenSize,
      outputSize: width,
      bias: mlpBias,
    });
  const gate = inner('gate');
  const silu = graph.node('Mul', `${path}/silu/Mul`, [
    gate,
    graph.node('Sigmoid', `${path}/silu/Sigmoid`, [gate]),
  ]);
  const gated = graph.node('Mul', `${path}/Mul`, [silu, inner('up')]);
  return linear(writer, {
    module: `${module}.down_proj`,
    input: gated,
    inputSize: width,
    outputSize: hiddenSize,
    bias: mlpBias,
  });
}

/** GPT-2's: down(gelu(up(x))), GELU by its tanh approximation. */
export function geluFeedForward(writer: Writer, module: string, input: string): string {
  const { graph, recipe, graphVariant } = writer;
  const { hiddenSize, intermediateSize, mlpBias } = recipe;
  const path = pathOf(module);
  const up = linear(writer, {
    module: `${module}.c_fc`,
    input,
    inputSize: hiddenSize,
    outputSize: intermediateSize,
    bias: mlpBias,
  });
  const activated =
    graphVariant === 'contrib'
      ? graph.node('FastGelu', `${path}/FastGelu`, [up], { domain: contrib })
      : graph.node('Gelu', `${path}/Gelu`, [up], { attributes: { approximate: { string: 'tanh' } } });
  return linear(writer, {
    module: `${module}.c_proj`,
    input: activated,
    inputSize: intermediateSize,
    outputSize: hiddenSize,
    bias: mlpBias,
  });
}

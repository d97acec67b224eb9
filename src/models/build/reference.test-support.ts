/**
 * An independent forward pass for tests: plain loops in double precision, written from the papers'
 * formulas and sharing nothing with the graph but the weights, which it reads by name.
 */
import type { ModelProto, TensorProto } from '../onnx/proto.js';
import type { Recipe } from '../recipe.js';

type Vector = number[];

/** Logits of every position, [positions][vocabulary], of a decoder built in fp32 or quantised. */
export function referenceLogits(model: ModelProto, recipe: Recipe, ids: number[]): Vector[] {
  const weights = readWeights(model);
  const { heads, kvHeads, headDim, hiddenSize } = recipe;
  const gpt2 = recipe.architecture === 'gpt2';
  const table = (name: string) => rowsOf(weights.get(name)!, hiddenSize);
  const product = (x: Vector, module: string) => {
    const bias = weights.get(`${module}.bias`);
    return timesMatrix(x, weights.get(`${module}.weight`)!).map(
      (value, index) => value + (bias?.[index] ?? 0),
    );
  };
  const norm = (x: Vector, module: string) =>
    gpt2
      ? layerNorm(x, weights.get(`${module}.weight`)!, weights.get(`${module}.bias`)!, recipe.normEpsilon)
      : rmsNorm(x, weights.get(`${module}.weight`)!, recipe.normEpsilon);

  const embedding = table('model.embed_tokens.weight');
  const positions = gpt2 ? table('model.embed_positions.weight') : null;
  let stream = ids.map((id, position) => add(embedding[id]!, positions?.[position] ?? zeros(hiddenSize)));

  for (let layer = 0; layer < recipe.layers; layer++) {
    const at = `model.layers.${layer}`;
    const normed = stream.map((x) => norm(x, `${at}.input_layernorm`));
    const projected = normed.map((x, position) => {
      const separate = (part: 'q' | 'k' | 'v') => product(x, `${at}.self_attn.${part}_proj`);
      const [q, k, v] = gpt2
        ? thirds(product(x, `${at}.self_attn.qkv_proj`))
        : [separate('q'), separate('k'), separate('v')];
      const prepare = (values: Vector, part: 'q' | 'k') => {
        const gains = weights.get(`${at}.self_attn.${part}_norm.weight`);
        const whole =
          gains && recipe.qkNorm === 'projection' ? rmsNorm(values, gains, recipe.normEpsilon) : values;
        return rowsOf(whole, headDim).map((head) => {
          const scaled = gains && recipe.qkNorm === 'head' ? rmsNorm(head, gains, recipe.normEpsilon) : head;
          return recipe.ropeTheta === null ? scaled : rotate(scaled, position, recipe.ropeTheta);
        });
      };
      return { q: prepare(q!, 'q'), k: prepare(k!, 'k'), v: rowsOf(v!, headDim) };
    });
    stream = stream.map((x, position) => {
      const attended = projected[position]!.q.flatMap((query, head) => {
        const kvHead = Math.floor(head / (heads / kvHeads));
        const seen = projected.slice(0, position + 1);
        const scores = softmax(seen.map(({ k }) => dot(query, k[kvHead]!) / Math.sqrt(headDim)));
        return seen.reduce(
          (sum, { v }, index) => add(sum, scale(v[kvHead]!, scores[index]!)),
          zeros(headDim),
        );
      });
      return add(x, product(attended, `${at}.self_attn.o_proj`));
    });
    stream = stream.map((x) => add(x, feedForward(norm(x, `${at}.post_attention_layernorm`), `${at}.mlp`)));
  }
  const head = weights.get('lm_head.weight');
  return stream.map((x) => {
    const last = norm(x, 'model.norm');
    return head ? timesMatrix(last, head) : embedding.map((row) => dot(row, last));
  });

  function feedForward(x: Vector, module: string): Vector {
    if (gpt2) return product(product(x, `${module}.c_fc`).map(geluTanh), `${module}.c_proj`);
    if (recipe.mixture === null) return swiglu(x, module);
    const { experts, expertsPerToken, expertSize, normaliseRouting, sharedExpertSize } = recipe.mixture;
    const probabilities = softmax(product(x, `${module}.gate`));
    const chosen = probabilities
      .map((probability, expert) => ({ probability, expert }))
      .sort((a, b) => b.probability - a.probability)
      .slice(0, expertsPerToken);
    const total = normaliseRouting ? chosen.reduce((sum, { probability }) => sum + probability, 0) : 1;
    const gateUp = rowsOf(weights.get(`${module}.experts.gate_up_proj.weight`)!, hiddenSize * 2 * expertSize);
    const down = rowsOf(weights.get(`${module}.experts.down_proj.weight`)!, hiddenSize * expertSize);
    if (gateUp.length !== experts) throw new Error('unexpected number of experts');
    let sum = zeros(hiddenSize);
    for (const { probability, expert } of chosen) {
      const both = rowsOf(gateUp[expert]!, hiddenSize).map((row) => dot(row, x));
      const inner = Array.from(
        { length: expertSize },
        (_, index) => silu(both[2 * index]!) * both[2 * index + 1]!,
      );
      const outer = rowsOf(down[expert]!, expertSize).map((row) => dot(row, inner));
      sum = add(sum, scale(outer, probability / total));
    }
    if (sharedExpertSize === 0) return sum;
    const [gate] = product(x, `${module}.shared_expert_gate`);
    return add(sum, scale(swiglu(x, `${module}.shared_expert`), 1 / (1 + Math.exp(-gate!))));
  }

  function swiglu(x: Vector, module: string): Vector {
    const up = product(x, `${module}.up_proj`);
    const gated = product(x, `${module}.gate_proj`).map((value, index) => silu(value) * up[index]!);
    return product(gated, `${module}.down_proj`);
  }
}

/** Weights by name: vectors as they are, matrices [inputs × outputs], experts [expert × outputs × inputs]. */
export function readWeights(model: ModelProto): Map<string, Vector> {
  const tensors = new Map(model.graph.initializer!.map((tensor) => [tensor.name!, tensor]));
  const inputSizes = new Map(
    model.graph.node!.map((node) => [node.input?.[1], node.attribute?.find(({ name }) => name === 'K')?.i]),
  );
  const weights = new Map<string, Vector>();
  for (const [name, tensor] of tensors) {
    const bits = /\.weight_q([48])$/.exec(name)?.[1];
    if (bits) {
      const base = name.replace(/_q[48]$/, '');
      const scales = tensors.get(`${base}_scales`)!;
      const inputSize = inputSizes.get(name);
      const rows = dequantise(tensor, scales, Number(bits), inputSize);
      weights.set(base, inputSize === undefined ? rows.flat() : transpose(rows).flat());
    } else if (tensor.dataType === 1) {
      weights.set(name, floatsOf(tensor));
    }
  }
  return weights;
}

/** Rows [outputs][inputs]: (code − zero point) · scale of the code's block of 32; low nibble first. */
function dequantise(codes: TensorProto, scales: TensorProto, bits: number, inputSize?: number): Vector[] {
  const blocks = scales.dims!.at(-1)!;
  const rowCount = scales.dims!.slice(0, -1).reduce((product, dim) => product * dim, 1);
  const bytesPerRow = codes.rawData!.length / rowCount;
  const inputs = inputSize ?? (bytesPerRow * 8) / bits;
  const scale = floatsOf(scales);
  return Array.from({ length: rowCount }, (_, row) =>
    Array.from({ length: inputs }, (_, input) => {
      const byte = codes.rawData![row * bytesPerRow + Math.floor((input * bits) / 8)]!;
      const code = bits === 8 ? byte : (byte >> (4 * (input % 2))) & 15;
      return (code - 2 ** (bits - 1)) * scale[row * blocks + Math.floor(input / 32)]!;
    }),
  );
}

function floatsOf({ rawData }: TensorProto): Vector {
  return [...new Float32Array(Uint8Array.from(rawData!).buffer)];
}

export function rowsOf(values: Vector, width: number): Vector[] {
  return Array.from({ length: values.length / width }, (_, row) =>
    values.slice(row * width, (row + 1) * width),
  );
}

function thirds(values: Vector): Vector[] {
  return rowsOf(values, values.length / 3);
}

function transpose(rows: Vector[]): Vector[] {
  return rows[0]!.map((_, column) => rows.map((row) => row[column]!));
}

export function timesMatrix(x: Vector, matrix: Vector): Vector {
  const width = matrix.length / x.length;
  return Array.from({ length: width }, (_, column) =>
    x.reduce((sum, value, row) => sum + value * matrix[row * width + column]!, 0),
  );
}

/** Rotary embedding, pairs (i, i + d/2) as in Llama's Hugging Face form. */
function rotate(head: Vector, position: number, theta: number): Vector {
  const half = head.length / 2;
  return head.map((value, index) => {
    const angle = position / theta ** ((2 * (index % half)) / head.length);
    const partner = index < half ? -head[index + half]! : head[index - half]!;
    return value * Math.cos(angle) + partner * Math.sin(angle);
  });
}

function rmsNorm(x: Vector, gains: Vector, epsilon: number): Vector {
  const rms = Math.sqrt(dot(x, x) / x.length + epsilon);
  return x.map((value, index) => (value / rms) * gains[index]!);
}

export function layerNorm(x: Vector, gains: Vector, bias: Vector, epsilon: number): Vector {
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
  const centred = x.map((value) => value - mean);
  const deviation = Math.sqrt(dot(centred, centred) / x.length + epsilon);
  return centred.map((value, index) => (value / deviation) * gains[index]! + bias[index]!);
}

export function softmax(x: Vector): Vector {
  const largest = Math.max(...x);
  const powers = x.map((value) => Math.exp(value - largest));
  const total = powers.reduce((sum, value) => sum + value, 0);
  return powers.map((value) => value / total);
}

const silu = (x: number) => x / (1 + Math.exp(-x));
const geluTanh = (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
export const dot = (a: Vector, b: Vector) => a.reduce((sum, value, index) => sum + value * b[index]!, 0);
export const add = (a: Vector, b: Vector) => a.map((value, index) => value + b[index]!);
export const scale = (a: Vector, factor: number) => a.map((value) => value * factor);
export const zeros = (size: number): Vector => new Array<number>(size).fill(0);

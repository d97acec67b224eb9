/**
 * LSTM, GRU and RNN: each step multiplies the input and the hidden state by the weights of all gates.
 * W is [directions, gates·hidden, input], R is [directions, gates·hidden, hidden].
 */
import { extent, input, type OpContext, type OpResult, type RuleTable, sizeOf, tensor } from '../op-rule.js';

/**
 * Elementwise per gate element: bias and sum 2, activation 1 (counted as one FLOP, as Tanh is), and the
 * state's update: LSTM c = f·c + i·g and h = o·tanh(c), 5; GRU (1 − z)·n + z·h and r·h, 5; RNN none.
 */
function recurrent(op: OpContext, gates: number, update: number, states: number): OpResult {
  const data = input(op, 0);
  const [weights, recurrence] = [input(op, 1), input(op, 2)];
  const directions = extent(weights.shape, 0);
  const hidden = op.attributes.int('hidden_size', extent(recurrence.shape, 2));
  const byBatch = op.attributes.int('layout', 0) === 1;
  const steps = extent(data.shape, byBatch ? 1 : 0);
  const batch = extent(data.shape, byBatch ? 0 : 1);
  const macs = steps * batch * (sizeOf(weights) + sizeOf(recurrence));
  const elements = steps * batch * directions * hidden;
  const clipped = op.attributes.has('clip') ? 2 * gates : 0;
  // Of an LSTM: input, output and forget gate each see the cell.
  const peepholes = gates === 4 && op.inputs[7] ? 6 : 0;
  const lengths = op.inputs[4];
  const shorter = lengths && !lengths.values?.every((length) => length === steps);
  const state = tensor(data.dtype, byBatch ? [batch, directions, hidden] : [directions, batch, hidden]);
  const sequence = byBatch ? [batch, steps, directions, hidden] : [steps, directions, batch, hidden];
  return {
    outputs: [tensor(data.dtype, sequence), ...new Array(states).fill(state)].slice(0, op.outputCount),
    flops: { matmul: 2 * macs, elementwise: elements * (3 * gates + update + clipped + peepholes) },
    ...(shorter && { inexact: 'how long its sequences are depends on the data' }),
  };
}

export const recurrentRules: RuleTable = {
  LSTM: (op) => recurrent(op, 4, 5, 2),
  // com.microsoft: W and R are transposed, and quantised; as many weights.
  DynamicQuantizeLSTM: (op) => recurrent(op, 4, 5, 2),
  GRU: (op) => recurrent(op, 3, 5, 1),
  RNN: (op) => recurrent(op, 1, 0, 1),
};

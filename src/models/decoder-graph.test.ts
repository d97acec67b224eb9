import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { lacksShared, sharedPath } from '../shared-files.test-support.js';
import { describeDecoder } from './decoder-graph.js';
import { decodeModel, type ModelProto, type ValueInfoProto } from './onnx/proto.js';

const stories = sharedPath('models/stories260K/onnx/model.onnx');
const float = 1;
const int64 = 7;

function value(name: string, elemType: number, ...dims: (number | string)[]): ValueInfoProto {
  const dim = dims.map((d) => (typeof d === 'number' ? { dimValue: d } : { dimParam: d }));
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}

/** A one-layer graph of GroupQueryAttention, with what the caller adds or changes. */
function attentionGraph(change: (graph: ModelProto['graph']) => void = () => {}): ModelProto {
  const cache = ['batch_size', 2, 'past', 8] as const;
  const graph: ModelProto['graph'] = {
    input: [
      value('input_ids', int64, 'batch_size', 'sequence'),
      value('attention_mask', int64, 'batch_size', 'total'),
      value('past_key_values.0.key', float, ...cache),
      value('past_key_values.0.value', float, ...cache),
    ],
    output: [
      value('logits', float, 'batch_size', 'sequence', 32),
      value('present.0.key', float, ...cache),
      value('present.0.value', float, ...cache),
    ],
    node: [
      {
        opType: 'GroupQueryAttention',
        domain: 'com.microsoft',
        input: ['q', 'k', 'v', 'past_key_values.0.key', 'past_key_values.0.value', 'lengths', 'total'],
        output: ['attended', 'present.0.key', 'present.0.value'],
      },
    ],
    initializer: [],
  };
  change(graph);
  return { graph };
}

describe('describeDecoder', () => {
  it.skipIf(lacksShared)('reads a published concat-style export', () => {
    const graph = describeDecoder(decodeModel(readFileSync(stories)));
    expect(graph.layers).toHaveLength(5);
    expect(graph.layers[4]).toEqual({
      pastKey: 'past_key_values.4.key',
      pastValue: 'past_key_values.4.value',
      presentKey: 'present.4.key',
      presentValue: 'present.4.value',
      heads: 4,
      headDim: 8,
      dtype: 'fp32',
    });
    expect(graph.vocabulary).toBe(512);
    expect(graph.positionIds).toEqual({ name: 'position_ids', dtype: 'int64', rank: 2 });
    expect(graph.logits.lastPositionOnly).toBe(false);
    expect(graph.cacheInPlace).toBe(false);
  });

  it('allows the cache in place where GroupQueryAttention alone touches it', () => {
    expect(describeDecoder(attentionGraph()).cacheInPlace).toBe(true);
  });

  it('forbids the cache in place where another node reads the past', () => {
    const read = attentionGraph((graph) =>
      graph.node!.push({ opType: 'Shape', input: ['past_key_values.0.key'], output: ['shape'] }),
    );
    expect(describeDecoder(read).cacheInPlace).toBe(false);
  });

  it('takes the vocabulary from the embedding table where the logits leave it symbolic', () => {
    const symbolic = attentionGraph((graph) => {
      graph.output![0] = value('logits', float, 'batch_size', 'sequence', 'vocab');
      graph.node!.push({ opType: 'Gather', input: ['embedding', 'input_ids'], output: ['x'] });
      graph.initializer!.push({ name: 'embedding', dims: [77, 16] });
    });
    expect(describeDecoder(symbolic).vocabulary).toBe(77);
  });

  it('computes only the last position where the graph can be asked to', () => {
    const asked = attentionGraph((graph) => graph.input!.push(value('num_logits_to_keep', int64)));
    const graph = describeDecoder(asked);
    expect(graph.logitsToKeep).toEqual({ name: 'num_logits_to_keep', dtype: 'int64', rank: 0 });
    expect(graph.logits.lastPositionOnly).toBe(true);
  });

  it.each<[string, (graph: ModelProto['graph']) => void]>([
    ['input_ids', (graph) => graph.input!.shift()],
    ['logits', (graph) => graph.output!.shift()],
    ['past_key_values', (graph) => graph.input!.splice(2, 2)],
    ['past_key_values.0.value', (graph) => graph.input!.pop()],
    ['present.0.value', (graph) => graph.output!.pop()],
    ['encoder_hidden_states', (graph) => graph.input!.push(value('encoder_hidden_states', float, 1))],
    ['neither fp32 nor fp16', (graph) => graph.output!.splice(0, 1, value('logits', int64, 1, 1, 32))],
  ])('refuses a graph, naming %s', (name, change) => {
    expect(() => describeDecoder(attentionGraph(change))).toThrow(name);
    expect(() => describeDecoder(attentionGraph(change))).toThrow(
      expect.objectContaining({ code: 'not-a-decoder' }),
    );
  });
});

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { lacksShared, sharedPath } from '../../shared-files.test-support.js';
import {
  decodeModel,
  type FunctionProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
} from '../onnx/proto.js';
import { DataType } from '../onnx/tensor-data.js';
import { countGraph } from './count-graph.js';
import { info, ints, model, node, oneNode, weight } from './test-graph.test-support.js';

const refusal = (code: string) => expect.objectContaining({ name: 'TokenworkError', code, exitCode: 2 });

describe('nodes in any order', () => {
  const products = [node('MatMul', ['x', 'v'], 'h'), node('MatMul', ['h', 'w'], 'y')];
  const graph = (nodes: NodeProto[]) =>
    model({
      node: nodes,
      initializer: [weight('v', [4, 8]), weight('w', [8, 2])],
      input: [info('x', [1, 4])],
      output: [info('y', null)],
    });

  test('are counted as in order', () => {
    const count = countGraph(graph(products.toReversed()), {});
    expect([count.flops.matmul, count.warnings, count.notCounted]).toEqual([2 * 4 * 8 + 2 * 8 * 2, [], null]);
  });

  test('that need each other in a circle are not counted, by name', () => {
    const circle = [node('Add', ['x', 'b'], 'a'), node('Add', ['a', 'a'], 'b'), node('Identity', ['b'], 'y')];
    expect(countGraph(graph(circle), {}).notCounted).toContain(
      'Add (2: the shape of b is not known) at a, b',
    );
  });

  test('come after what a graph within them reads', () => {
    const body = { name: 'branch', node: [node('MatMul', ['h', 'w'], 'p')], output: [info('p', null)] };
    const attributes = { then_branch: { graph: body }, else_branch: { graph: body } };
    const nodes = [node('If', ['c'], 'y', { attributes }), products[0]!];
    const count = countGraph(
      model({ ...graph(nodes).graph, input: [info('x', [1, 4]), info('c', [], DataType.bool)] }),
      {},
    );
    // Whichever branch runs, it costs the same.
    expect([count.flops.matmul, count.notCounted]).toEqual([96, null]);
  });
});

describe('a branch', () => {
  const branch = (weights: string) => ({
    name: weights,
    node: [node('MatMul', ['x', weights], weights.toUpperCase())],
    output: [info(weights.toUpperCase(), null)],
  });
  const graph = model({
    node: [
      node('If', ['c'], 'y', {
        attributes: { then_branch: { graph: branch('a') }, else_branch: { graph: branch('b') } },
      }),
    ],
    initializer: [weight('a', [4, 2]), weight('b', [8, 2])],
    input: [info('x', ['rows', 'columns']), info('c', [], DataType.bool)],
    output: [info('y', null)],
  });

  test('that does not fit the shapes is not the one that runs', () => {
    const count = countGraph(graph, { x: [1, 8] });
    expect(count.flops.matmul).toBe(2 * 8 * 2);
    expect(count.warnings).toMatchObject([
      { code: 'dynamic-control-flow', message: expect.stringContaining('the one that fits') },
    ]);
    expect(() => countGraph(graph, { x: [1, 5] })).toThrow(refusal('shapes-do-not-fit'));
  });

  test('is chosen by what an input holds', () => {
    const chosen = (value: number, columns: number) =>
      countGraph(graph, { x: [3, columns] }, new Map([['c', [value]]]));
    expect(chosen(1, 4)).toMatchObject({ flops: { matmul: 2 * 3 * 4 * 2 }, notCounted: null });
    expect(chosen(0, 8)).toMatchObject({ flops: { matmul: 2 * 3 * 8 * 2 }, notCounted: null });
    expect(() => chosen(1, 8)).toThrow(refusal('shapes-do-not-fit'));
    expect(() => countGraph(graph, { x: [1, 4] }, new Map([['c', [1, 0]]]))).toThrow(
      refusal('shapes-do-not-fit'),
    );
    expect(() => countGraph(graph, { x: [1, 4] }, new Map([['d', [1]]]))).toThrow(
      refusal('shape-unknown-input'),
    );
  });
});

describe('a dimension that is no size', () => {
  const graph = (dims: number[]) =>
    model({
      node: [node('MatMul', ['x', 'w'], 'y')],
      initializer: [weight('w', [3, 5])],
      input: [info('x', dims)],
      output: [info('y', null)],
    });

  test.each([-1, 0])('%i stands for any', (open) => {
    expect(countGraph(graph([open, 3]), { x: [7, 3] }).flops.matmul).toBe(2 * 7 * 3 * 5);
    expect(() => countGraph(graph([open, 3]), {})).toThrow(refusal('shape-missing'));
    expect(() => countGraph(graph([open, 3]), { x: [7, 4] })).toThrow(refusal('shapes-do-not-fit'));
  });

  test('of a weight is refused', () => {
    const broken = graph([2, 3]);
    broken.graph.initializer![0]!.dims = [3, -5];
    expect(() => countGraph(broken, {})).toThrow(refusal('model-not-onnx'));
  });
});

describe('work without bound', () => {
  /** Functions each of which calls the one before it `width` times. */
  function calling(depth: number, width: number): ModelProto {
    const call = (to: number, from: string, output: string): NodeProto => ({
      opType: `f${to}`,
      domain: 'local',
      input: [from],
      output: [output],
    });
    const functions = Array.from({ length: depth }, (_, level): FunctionProto => {
      const names = Array.from({ length: width + 1 }, (_, index) => `t${index}`);
      const body = names
        .slice(1)
        .map((name, index) =>
          level === 0 ? node('Relu', [names[index]!], name) : call(level - 1, names[index]!, name),
        );
      return { name: `f${level}`, domain: 'local', input: ['t0'], output: [names[width]!], node: body };
    });
    const graph = model({
      node: [call(depth - 1, 'x', 'y')],
      input: [info('x', [1, 4])],
      output: [info('y', null)],
    });
    return { ...graph, functions };
  }

  test('functions that call each other twice are refused, few are counted', () => {
    expect(() => countGraph(calling(20, 2), {})).toThrow(refusal('graph-too-costly'));
    expect(() => countGraph(calling(2, 3000), {})).toThrow(refusal('graph-too-costly'));
    expect(countGraph(calling(5, 3), {}).flops.elementwise).toBe(4 * 3 ** 5);
  });

  test('graphs within graphs are refused beyond a depth', () => {
    let body: GraphProto = { name: 'b', node: [node('Relu', ['x'], 'y')], output: [info('y', null)] };
    const leaf = body;
    for (let depth = 0; depth < 100; depth++) {
      const attributes = { then_branch: { graph: body }, else_branch: { graph: leaf } };
      body = { name: 'b', node: [node('If', ['c'], 'y', { attributes })], output: [info('y', null)] };
    }
    const graph = model({ ...body, input: [info('x', [4]), info('c', [], DataType.bool)] });
    expect(() => countGraph(graph, {})).toThrow(refusal('graph-too-costly'));
  });

  test('loops in loops whose shapes keep changing are refused', () => {
    const loop = (body: object) => ({ attributes: { body: { graph: body as never } }, outputs: ['out'] });
    const edges = {
      input: [info('i', [], DataType.int64), info('goes', [], DataType.bool), info('s', null)],
      output: [info('on', [], DataType.bool), info('out', null)],
    };
    let body: object = {
      name: 'inner',
      node: [
        node('Concat', ['s', 'x'], 'out', { attributes: { axis: 0 } }),
        node('Identity', ['goes'], 'on'),
      ],
      ...edges,
    };
    for (let depth = 0; depth < 3; depth++)
      body = {
        name: 'outer',
        node: [node('Loop', ['trips', '', 's'], 'out', loop(body)), node('Identity', ['goes'], 'on')],
        ...edges,
      };
    const graph = model({
      node: [node('Loop', ['trips', '', 'x'], 'out', loop(body))],
      initializer: [ints('trips', [1000], true)],
      input: [info('x', [4])],
      output: [info('out', null)],
    });
    expect(() => countGraph(graph, {})).toThrow(refusal('graph-too-costly'));
  });

  test('a mask is looked for in a chain of any length', () => {
    const nodes = Array.from({ length: 20_000 }, (_, index) => node('Relu', [`t${index}`], `t${index + 1}`));
    nodes.push(node('MatMul', ['x', 'x'], 'scores'), node('Add', ['scores', 't20000'], 'masked'));
    nodes.push(node('Softmax', ['masked'], 'weights'), node('MatMul', ['weights', 'x'], 'y'));
    const graph = model({
      node: nodes,
      input: [info('x', [4, 4]), info('t0', [4, 4])],
      output: [info('y', null)],
    });
    expect(countGraph(graph, {}).flops.matmul).toBe(2 * 2 * 4 ** 3);
  });
});

describe('an operator by a name that every object has', () => {
  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf'])('%s is unknown', (op) => {
    for (const domain of ['', 'com.microsoft', 'constructor']) {
      const graph = oneNode({
        op,
        domain,
        inputs: [{ shape: [2, 3] }, weight('', [3, 3])],
        attributes: { __proto: 1, toString: 2 },
      });
      const count = countGraph(graph, {});
      expect(count.unknownOps).toEqual([domain ? `${domain}.${op}` : op]);
      expect(count.notCounted).toContain(op);
    }
  });
});

test('names of nodes and operators bring no control characters into a message', () => {
  const graph = oneNode({ op: 'Evil\u001b[2J\u0007', inputs: [{ shape: [1] }], outputs: ['y\u001b[5m'] });
  const { warnings, notCounted, unknownOps } = countGraph(graph, {});
  for (const text of [notCounted, ...unknownOps, ...warnings.map(({ message }) => message)])
    expect(text).not.toMatch(/\p{Cc}/u);
});

describe('an attribute or input that a rule does not know', () => {
  const conv = (attributes: Record<string, number>) =>
    countGraph(
      oneNode({ op: 'Conv', inputs: [{ shape: [1, 2, 4, 4] }, weight('', [3, 2, 1, 1])], attributes }),
      {},
    );

  test('makes the node not counted exactly, by name', () => {
    expect(conv({ group: 1 }).notCounted).toBeNull();
    expect(conv({ from_the_next_opset: 1 }).notCounted).toContain(
      'Conv (1: its attribute from_the_next_opset is not counted) at y',
    );
    const inputs = [{ shape: [2, 3] }, weight('', [3, 3]), weight('', [3, 3])];
    expect(countGraph(oneNode({ op: 'MatMul', inputs }), {}).notCounted).toContain(
      'its input 2 is not counted',
    );
  });

  test('is taken where it is set to what the rule counts for', () => {
    const norm = (training_mode: number) =>
      countGraph(
        oneNode({
          op: 'BatchNormalization',
          inputs: [{ shape: [1, 2, 3] }, ...Array.from({ length: 4 }, () => weight('', [2]))],
          attributes: { training_mode },
        }),
        {},
      ).notCounted;
    expect(norm(0)).toBeNull();
    expect(norm(1)).toContain('its attribute training_mode is 1');
  });
});

/** Cases that were reduced from public reports, where they are at hand. */

describe.skipIf(lacksShared)('a published case', () => {
  const count = (file: string, shapes: Record<string, number[]>) =>
    countGraph(decodeModel(readFileSync(sharedPath('cases', `${file}.onnx`))), shapes);

  test.each([
    ['01-unsorted', { x: [1, 4] }, 96],
    ['03-dim-minus-one', { x: [7, 3] }, 210],
    ['04-resize-float32', { x: [1, 1, 3, 3] }, 50],
  ])('%s is counted', (file, shapes, matmul) => {
    const counted = count(file, shapes as Record<string, number[]>);
    expect([counted.flops.matmul, counted.notCounted]).toEqual([matmul, null]);
  });

  test('02-if-other-branch counts the branch that fits', () => {
    const counted = count('02-if-other-branch', { x: [1, 8] });
    expect([counted.flops.matmul, counted.warnings[0]?.code]).toEqual([32, 'dynamic-control-flow']);
  });

  test.each([
    ['03-dim-minus-one-b', { z: [2] }, 'shape-missing'],
    ['41-functions-deep', { x: [1, 4] }, 'graph-too-costly'],
    ['42-functions-wide', { x: [1, 4] }, 'graph-too-costly'],
    ['43-nested-loops', { x: [4] }, 'graph-too-costly'],
  ])('%s is refused', (file, shapes, code) => {
    expect(() => count(file, shapes as Record<string, number[]>)).toThrow(refusal(code));
  });

  test('44-op-named-proto is an unknown operator', () => {
    expect(count('44-op-named-proto', { x: [1, 4] }).unknownOps).toEqual(['__proto__']);
  });
});

import { expect, test } from 'vitest';
import { DataType } from '../onnx/tensor-data.js';
import { countGraph } from './count-graph.js';
import { describeGraphFlops } from './describe-flops.js';
import { floats, info, ints, model, node, oneNode, weight } from './test-graph.test-support.js';

const scalar = (name: string, value: number, dataType: number = DataType.bool) => ({
  name,
  dims: [],
  dataType,
  int32Data: [value],
});
const square = (from: string, output: string) => node('MatMul', [from, 'w'], output);
/** FLOPs of `square` on a [4, 4] tensor. */
const productFlops = 2 * 4 * 4 * 4;

test('an operator without a rule is named, and what follows it is counted by its declared shape', () => {
  const graph = model({
    node: [node('Foo', ['x'], 'a', { domain: 'org.example' }), node('MatMul', ['a', 'w'], 'y')],
    initializer: [weight('w', [4, 4])],
    input: [info('x', ['rows', 9])],
    output: [info('y', null)],
    valueInfo: [info('a', ['rows', 4])],
  });
  const count = countGraph(graph, { x: [3, 9] });
  expect(count.unknownOps).toEqual(['org.example.Foo']);
  expect(count.warnings.map(({ code }) => code)).toEqual(['unknown-ops']);
  expect(count.flops.matmul).toBe(2 * 3 * 4 * 4);
});

test('nodes whose shapes nothing tells are named, never counted as zero in silence', () => {
  const graph = model({
    node: [node('Foo', ['x'], 'a'), node('MatMul', ['a', 'w'], 'y')],
    initializer: [weight('w', [4, 4])],
    input: [info('x', [3, 9])],
    output: [info('y', null)],
  });
  const { warnings, outputShapes } = countGraph(graph, {});
  expect(warnings.map(({ code }) => code)).toEqual(['unknown-ops', 'shapes-unresolved']);
  expect(warnings[1]!.message).toContain('MatMul (1: the shape of a is not known)');
  expect(outputShapes).toEqual({ y: null });
});

test('what depends on data is named', () => {
  const graph = oneNode({ op: 'NonZero', inputs: [{ shape: [3, 4] }] });
  expect(countGraph(graph, {}).warnings[0]).toMatchObject({ code: 'shapes-unresolved' });
});

test('input shapes are checked', () => {
  const graph = model({
    node: [node('MatMul', ['x', 'w'], 'y')],
    initializer: [weight('w', [4, 4])],
    input: [info('x', ['rows', 4])],
    output: [info('y', null)],
  });
  const refused = (shapes: Record<string, number[]>, code: string) =>
    expect(() => countGraph(graph, shapes)).toThrow(expect.objectContaining({ code, exitCode: 2 }));
  refused({}, 'shape-missing');
  refused({ x: [2, 5] }, 'shapes-do-not-fit');
  refused({ x: [2] }, 'shapes-do-not-fit');
  refused({ z: [2, 4], x: [2, 4] }, 'shape-unknown-input');
  const open = { ...graph, graph: { ...graph.graph, input: [info('x', ['a', 'b'])] } };
  expect(() => countGraph(open, { x: [2, 5] })).toThrow(/MatMul.*\[2,5\] cannot be multiplied by \[4,4\]/);
});

function conditional(condition: Parameters<typeof model>[0]) {
  const branch = (products: number) => ({
    name: 'branch',
    node: Array.from({ length: products }, (_, index) => square(index ? `p${index - 1}` : 'x', `p${index}`)),
    output: [info(`p${products - 1}`, null)],
  });
  const attributes = { then_branch: { graph: branch(2) }, else_branch: { graph: branch(3) } };
  return model({
    ...condition,
    node: [...(condition.node ?? []), node('If', ['c'], 'y', { attributes })],
    initializer: [weight('w', [4, 4]), ...(condition.initializer ?? [])],
    input: [info('x', [4, 4]), ...(condition.input ?? [])],
    output: [info('y', null)],
  });
}

test('a branch whose condition is known is the one counted', () => {
  for (const [value, products] of [
    [1, 2],
    [0, 3],
  ] as const) {
    const count = countGraph(conditional({ initializer: [scalar('c', value)] }), {});
    expect([count.flops.matmul, count.warnings]).toEqual([products * productFlops, []]);
  }
  // Known from the input's shape: it has 4 rows.
  const byShape = conditional({
    node: [
      node('Shape', ['x'], 's'),
      node('Gather', ['s', 'first'], 'rows'),
      node('Greater', ['rows', 'limit'], 'c'),
    ],
    initializer: [ints('first', [0], true), ints('limit', [3], true)],
  });
  expect(countGraph(byShape, {}).flops.matmul).toBe(2 * productFlops);
});

test('a branch that depends on data is counted as the costlier one, and said so', () => {
  const count = countGraph(conditional({ input: [info('c', [], DataType.bool)] }), {});
  expect(count.flops.matmul).toBe(3 * productFlops);
  expect(count.warnings.map(({ code }) => code)).toEqual(['dynamic-control-flow']);
  expect(count.outputShapes).toEqual({ y: [4, 4] });
});

const loopBody = {
  name: 'body',
  node: [square('state', 'next'), node('Identity', ['goes'], 'still')],
  input: [info('i', [], DataType.int64), info('goes', [], DataType.bool), info('state', [4, 4])],
  output: [info('still', [], DataType.bool), info('next', [4, 4]), info('next', [4, 4])],
};

test('a loop of a known number of trips is counted that often', () => {
  const loop = (inputs: string[]) =>
    model({
      node: [node('Loop', inputs, 'y', { attributes: { body: { graph: loopBody } }, outputs: ['y', 'all'] })],
      initializer: [weight('w', [4, 4]), ints('trips', [7], true)],
      input: [info('x', [4, 4]), info('given', [], DataType.int64)],
      output: [info('y', null), info('all', null)],
    });
  const count = countGraph(loop(['trips', '', 'x']), {});
  expect([count.flops.matmul, count.warnings]).toEqual([7 * productFlops, []]);
  expect(count.outputShapes).toEqual({ y: [4, 4], all: [7, 4, 4] });
  const unknown = countGraph(loop(['given', '', 'x']), {});
  expect(unknown.flops.matmul).toBe(productFlops);
  expect(unknown.warnings[0]).toMatchObject({ code: 'dynamic-control-flow' });
});

test('a loop that grows what it carries is followed trip by trip', () => {
  const body = {
    ...loopBody,
    node: [
      node('Concat', ['state', 'x'], 'next', { attributes: { axis: 0 } }),
      square('next', 'product'),
      node('Identity', ['goes'], 'still'),
    ],
    output: loopBody.output.slice(0, 2),
  };
  const graph = model({
    node: [node('Loop', ['trips', '', 'x'], 'y', { attributes: { body: { graph: body } } })],
    initializer: [weight('w', [4, 4]), ints('trips', [3], true)],
    input: [info('x', [4, 4])],
    output: [info('y', null)],
  });
  const count = countGraph(graph, {});
  // 8, 12 and 16 rows.
  expect(count.flops.matmul).toBe((2 + 3 + 4) * productFlops);
  expect(count.outputShapes).toEqual({ y: [16, 4] });
});

test('a scan runs once for each element of its sequence', () => {
  const body = {
    name: 'body',
    node: [node('MatMul', ['row', 'w'], 'out'), node('Identity', ['state'], 'kept')],
    input: [info('state', [2]), info('row', [4, 4])],
    output: [info('kept', null), info('out', null)],
  };
  const attributes = { body: { graph: body }, num_scan_inputs: 1 };
  const graph = model({
    node: [node('Scan', ['s', 'x'], 'y', { attributes, outputs: ['last', 'y'] })],
    initializer: [weight('w', [4, 4])],
    input: [info('s', [2]), info('x', [6, 4, 4])],
    output: [info('y', null)],
  });
  const count = countGraph(graph, {});
  expect([count.flops.matmul, count.outputShapes]).toEqual([6 * productFlops, { y: [6, 4, 4] }]);
});

test('model-local functions are expanded, with the attributes of their call', () => {
  const graph = model({
    node: [
      node('Project', ['x', 'w'], 'a', { domain: 'local', attributes: { flip: 1 } }),
      node('Project', ['a', 'w'], 'y', { domain: 'local' }),
    ],
    initializer: [weight('w', [5, 4])],
    input: [info('x', [3, 4])],
    output: [info('y', null)],
  });
  const flip = { name: 'transB', type: 2, refAttrName: 'flip' };
  const body = { ...node('Gemm', ['in', 'by'], 'out'), attribute: [flip] };
  const functions = [
    {
      name: 'Project',
      domain: 'local',
      input: ['in', 'by'],
      output: ['out'],
      attribute: ['flip'],
      node: [body],
    },
  ];
  const count = countGraph({ ...graph, functions }, {});
  expect([count.flops.matmul, count.unknownOps]).toEqual([2 * (3 * 4 * 5 + 3 * 5 * 4), []]);
  expect(count.outputShapes).toEqual({ y: [3, 4] });
});

test('what only depends on constants is folded, and then read as a weight', () => {
  const graph = model({
    node: [
      node('Transpose', ['table'], 'head', { attributes: { perm: [1, 0] } }),
      node('MatMul', ['x', 'head'], 'y'),
    ],
    initializer: [weight('table', [100, 8])],
    input: [info('x', [3, 8])],
    output: [info('y', null)],
  });
  const { bytes, byOpType } = countGraph(graph, {});
  expect(Object.keys(byOpType)).toEqual(['MatMul']);
  expect(bytes).toEqual({ weights: 4 * 800, kvRead: 0, kvWritten: 0, activations: 4 * (3 * 8 + 3 * 100) });
});

test('a table is read only where its rows are gathered, and each kernel reads a shared weight again', () => {
  const graph = model({
    node: [
      node('Gather', ['table', 'ids'], 'x'),
      node('Gemm', ['x', 'table'], 'y', { attributes: { transB: 1 } }),
    ],
    initializer: [weight('table', [100, 8])],
    input: [info('ids', ['n'], DataType.int64)],
    output: [info('y', null)],
  });
  expect(countGraph(graph, { ids: [3] }).bytes.weights).toBe(4 * (3 * 8 + 100 * 8));
});

test('a mixture reads the experts expected to be touched', () => {
  const moe = oneNode({
    op: 'MoE',
    domain: 'com.microsoft',
    inputs: [{ shape: [1, 8] }, { shape: [1, 4] }, weight('', [4, 16, 8]), null, weight('', [4, 8, 16])],
    attributes: { k: 2 },
  });
  // One token touches exactly its 2 of 4 experts.
  expect(countGraph(moe, {}).bytes.weights).toBe(2 * (16 * 8 + 8 * 16) * 4);
});

test('the report lists operators from the costliest down', () => {
  const graph = model({
    node: [node('Relu', ['x'], 'a'), node('MatMul', ['a', 'w'], 'b'), node('Add', ['b', 'half'], 'y')],
    initializer: [weight('w', [4, 4]), floats('half', [0.5])],
    input: [info('x', ['rows', 4])],
    output: [info('y', null)],
  });
  const report = describeGraphFlops({ id: 'it', graph }, { x: [2, 4] });
  expect(Object.keys(report.byOpType)).toEqual(['MatMul', 'Add', 'Relu']);
  expect(report).toMatchObject({
    model: 'it',
    parameters: 16,
    unknownOps: [],
    flops: { matmul: 64, elementwise: 16 },
  });
});

import { elementCount } from '../../onnx/tensor-data.js';
import { broadcast, input, type OpContext, type OpResult, ShapeMismatch, tensor } from '../op-rule.js';

interface Operand {
  letters: string[];
  /** Extents under the ellipsis. */
  batch: number[];
}

/**
 * Einsum as ONNX Runtime runs it: operands are contracted from left to right, each pair as one matrix
 * product over all letters the pair and what is still needed name. Letters that appear in one operand only
 * and are not needed later are summed out before, which counts as elementwise.
 */
export function einsum(op: OpContext): OpResult {
  const equation = op.attributes.string('equation', '').replace(/\s/g, '');
  const [left = '', right] = equation.split('->');
  const terms = left.split(',');
  if (terms.length !== op.inputs.length) {
    throw new ShapeMismatch(`equation ${equation} wants ${terms.length} inputs, not ${op.inputs.length}`);
  }
  const sizes = new Map<string, number>();
  const operands = terms.map((term, index) => read(term, input(op, index).shape, sizes));
  const ellipsis = broadcast(...operands.map((operand) => operand.batch));
  const output = right === undefined ? implicitOutput(terms) : right;
  const outputLetters = letters(output);

  let elementwise = 0;
  let matmul = 0;
  const size = (names: Iterable<string>) => elementCount([...names].map((name) => sizes.get(name)!));
  const shrunk = (names: string[], needed: Set<string>, batch: number): string[] => {
    const kept = names.filter((name) => needed.has(name));
    if (kept.length < new Set(names).size) elementwise += batch * size(new Set(names));
    return kept;
  };
  let current = operands[0]!;
  for (const [index, next] of operands.slice(1).entries()) {
    const later = new Set([...outputLetters, ...operands.slice(index + 2).flatMap(({ letters }) => letters)]);
    const mine = shrunk(current.letters, new Set([...later, ...next.letters]), elementCount(current.batch));
    const theirs = shrunk(next.letters, new Set([...later, ...current.letters]), elementCount(next.batch));
    const all = new Set([...mine, ...theirs]);
    const batch = broadcast(current.batch, next.batch);
    const products = elementCount(batch) * size(all);
    const kept = [...all].filter((name) => later.has(name));
    // Without a summed letter it is a broadcast multiplication, not a matrix product.
    if (kept.length < all.size) matmul += 2 * products;
    else elementwise += products;
    current = { letters: kept, batch };
  }
  if (operands.length === 1) shrunk(current.letters, new Set(outputLetters), elementCount(current.batch));
  const shape = outputShape(output, ellipsis, sizes);
  return { outputs: [tensor(input(op, 0).dtype, shape)], flops: { matmul, elementwise } };
}

function letters(term: string): string[] {
  return [...term.replace('...', '')];
}

function read(term: string, shape: readonly number[], sizes: Map<string, number>): Operand {
  const [before = '', after] = term.split('...');
  const names = letters(term);
  const hidden = shape.length - names.length;
  if (hidden < 0 || (hidden > 0 && after === undefined)) {
    throw new ShapeMismatch(`[${shape}] does not fit the term ${term}`);
  }
  names.forEach((name, index) => {
    const extent = shape[index < before.length ? index : index + hidden]!;
    const known = sizes.get(name) ?? 1;
    if (known !== 1 && extent !== 1 && known !== extent) {
      throw new ShapeMismatch(`${name} is both ${known} and ${extent}`);
    }
    sizes.set(name, Math.max(known, extent));
  });
  return { letters: names, batch: shape.slice(before.length, before.length + hidden) };
}

/** Without "->" the output holds the ellipsis and every letter named once, in alphabetical order. */
function implicitOutput(terms: string[]): string {
  const all = terms.flatMap(letters);
  const once = all.filter((name) => all.indexOf(name) === all.lastIndexOf(name)).sort();
  return `${terms.some((term) => term.includes('...')) ? '...' : ''}${once.join('')}`;
}

function outputShape(output: string, ellipsis: number[], sizes: Map<string, number>): number[] {
  const [before = '', after] = output.split('...');
  const extents = (names: string) =>
    [...names].map((name) => {
      const size = sizes.get(name);
      if (size === undefined) throw new ShapeMismatch(`${name} is in the output only`);
      return size;
    });
  return [...extents(before), ...(after === undefined ? [] : [...ellipsis, ...extents(after)])];
}

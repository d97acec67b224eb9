import { afterAll, describe, expect, it } from 'vitest';
import { findBlockTypeNamed } from '../../../models/gguf/block-types.js';
import type { LlamaDevice } from '../../engine.js';
import { findLlama } from '../packages.js';
import { type ComputeDevice, openComputeDevice } from './compute-device.js';
import { openCopies, openProducts, type ProductShape } from './work-graph.js';

/** Sixteen levels of which each block of 32 has all: Q4_0 holds them exactly, and Q8_0 and F16 nearly or wholly. */
const weightOf = (row: number, index: number) => (((7 * index + 3 * row + (row % 3) * index) % 16) - 8) / 64;

/** What the first row of the products should be, in plain fp64. */
function plainly({ inner, columns, links }: ProductShape): number[] {
  let x = Array.from({ length: inner }, (_, index) => Math.cos(index));
  for (let link = 0; link < links; link++)
    x = Array.from({ length: columns }, (_, row) =>
      x.reduce((sum, value, index) => sum + value * weightOf(row % 16, index), 0),
    );
  return x;
}

function opened(device: LlamaDevice): ComputeDevice | null {
  if (findLlama(device) === null) return null;
  try {
    return openComputeDevice(device, 2);
  } catch {
    return null;
  }
}

describe.each(['cpu', 'vulkan'] as const)('what the ceilings of %s are measured with', (device) => {
  const on = opened(device);
  afterAll(() => on?.close());
  // A software GPU compiles the shaders of a type for seconds, and those of products of many rows for a minute.
  const rows = device === 'cpu' ? [1, 9, 512] : [1];
  const types = device === 'cpu' ? ['F32', 'F16', 'Q8_0', 'Q4_0', 'Q4_K'] : ['Q4_0'];

  it.skipIf(on === null).each(types)('multiplies by %s weights', (name) => {
    for (const shape of rows.flatMap((count) => [
      { rows: count, inner: 256, columns: 48, links: 1 },
      { rows: count, inner: 256, columns: 256, links: 2 },
    ])) {
      const graph = openProducts(on!, findBlockTypeNamed(name), shape, weightOf);
      // Again on the same x: its memory must not be a result's.
      for (let run = 0; run < 2; run++) graph.run();
      const expected = plainly(shape);
      const scale = Math.max(...expected.map(Math.abs));
      for (const [index, value] of graph.read(shape.columns).entries())
        expect(Math.abs(value - expected[index]!) / scale, `${shape.rows}, ${index}`).toBeLessThan(0.05);
      graph.close();
    }
  });

  it.skipIf(on === null)('copies a matrix to and fro', () => {
    const graph = openCopies(on!, { size: 64, links: 3 });
    graph.run();
    expect([...graph.read(64)]).toEqual(new Array(64).fill(1));
    graph.close();
  });

  it.skipIf(on === null)('says of matrices that no memory holds that there is none', () => {
    const shape = { rows: 1, inner: 2 ** 24, columns: 2 ** 24, links: 1 };
    expect(() => openProducts(on!, findBlockTypeNamed('F32'), shape)).toThrow(/no memory/);
  });
});

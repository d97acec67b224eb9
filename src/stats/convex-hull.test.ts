import { expect, it } from 'vitest';
import { convexHull, isInHull, type Point } from './convex-hull.js';

const square: Point[] = [
  [0, 0],
  [2, 0],
  [1, 1],
  [2, 2],
  [0, 2],
  [1, 0],
];

it('has the corners of a square, and no point on its edge or within', () => {
  expect(convexHull(square)).toEqual([
    [0, 0],
    [2, 0],
    [2, 2],
    [0, 2],
  ]);
});

it('holds what lies within and on the edge, and nothing outside', () => {
  const hull = convexHull(square);
  for (const inside of [
    [1, 1],
    [2, 1],
    [0, 0],
    [0.1, 1.9],
  ] as Point[])
    expect(isInHull(hull, inside)).toBe(true);
  for (const outside of [
    [2.01, 1],
    [-1, 0],
    [3, 3],
  ] as Point[])
    expect(isInHull(hull, outside)).toBe(false);
});

it('of points on one line holds nothing', () => {
  const line = convexHull([
    [0, 0],
    [1, 1],
    [2, 2],
  ]);
  expect(line).toHaveLength(2);
  expect(isInHull(line, [1, 1])).toBe(false);
});

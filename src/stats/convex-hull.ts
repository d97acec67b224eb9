/** A point of the plane. */
export type Point = readonly [x: number, y: number];

/** The corners of the convex hull of points, counter-clockwise; of points on one line, its ends (Andrew 1979). */
export function convexHull(points: readonly Point[]): Point[] {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const chain = (from: readonly Point[]) => {
    const corners: Point[] = [];
    for (const point of from) {
      while (corners.length > 1 && turn(corners.at(-2)!, corners.at(-1)!, point) <= 0) corners.pop();
      corners.push(point);
    }
    return corners;
  };
  const [lower, upper] = [chain(sorted), chain(sorted.reverse())];
  return [...lower.slice(0, -1), ...upper.slice(0, -1)];
}

/** Whether a point lies in a hull of at least three corners, or on its edge but for rounding. */
export function isInHull(hull: readonly Point[], point: Point): boolean {
  const tolerance = 1e-9;
  return (
    hull.length > 2 &&
    hull.every((corner, index) => turn(corner, hull[(index + 1) % hull.length]!, point) >= -tolerance)
  );
}

/** Above 0 where the way from a over b to c turns left. */
function turn(a: Point, b: Point, c: Point): number {
  return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
}

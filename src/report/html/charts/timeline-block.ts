import { color } from '../theme.js';

/** Parallel, one entry per block: one request, or `count` of them that a screen could not show apart. */
export interface TimelineBlocks {
  worker: number[];
  from: number[];
  /** `null` where it never came, and for several requests. */
  firstToken: (number | null)[];
  to: number[];
  count: number[];
  failed: number[];
  name: string[];
}

interface Params {
  coordSys: { x: number; y: number; width: number; height: number };
}

interface Api {
  value(dimension: number): number;
  coord(point: [number, number]): [number, number];
  size(extent: [number, number]): [number, number];
}

/** A request's time on its worker, up to the first token in full colour; a failed one hollow. */
export function drawBlock(blocks: TimelineBlocks, { coordSys }: Params, api: Api) {
  const index = api.value(3);
  const [start, y] = api.coord([api.value(0), api.value(2)]);
  const [end] = api.coord([api.value(1), api.value(2)]);
  const [least, most] = [coordSys.x, coordSys.x + coordSys.width];
  if (end < least || start > most) return;
  const height = Math.min(16, api.size([0, 1])[1] * 0.7);
  const clipped = (from: number, to: number) => {
    const [left, right] = [Math.max(least, from), Math.min(most, to)];
    return { x: left, y: y - height / 2, width: Math.max(0.6, right - left), height };
  };
  if (blocks.failed[index]! > 0 && blocks.count[index] === 1) {
    const style = { fill: 'none', stroke: color.trouble, lineWidth: 1.5 };
    return { type: 'rect', shape: clipped(start, end), style };
  }
  const children: object[] = [
    { type: 'rect', shape: clipped(start, end), style: { fill: color.accent, opacity: 0.42 } },
  ];
  const firstToken = blocks.firstToken[index];
  if (firstToken != null) {
    const [first] = api.coord([firstToken / 1e9, api.value(2)]);
    if (first > least) {
      children.push({
        type: 'rect',
        shape: clipped(start, first),
        style: { fill: color.accent, opacity: 0.95 },
      });
    }
  }
  // A thin edge keeps neighbours apart once they are wide enough to be told apart.
  if (end - start > 6) {
    children.push({ type: 'rect', shape: clipped(end - 1, end), style: { fill: color.surface } });
  }
  return { type: 'group', children };
}

import { isOk, type RequestRow } from '../../core/result.js';
import type { TimelineBlocks } from './charts/timeline-block.js';

/** Rows for which the time line has a slot; of more workers the first are shown. */
export const mostWorkers = 16;
/** Blocks of all workers that a page can draw at once. */
const mostBlocks = 2400;

/**
 * Requests as blocks per worker in the order of time. Where they are too many to be told apart, neighbours
 * are drawn as one block that says how many they are; `merged` tells whether that was so.
 */
export function blocksOf(
  requests: readonly RequestRow[],
  workers: readonly number[],
  nameOf: (cell: string) => string,
): { blocks: TimelineBlocks; merged: boolean } {
  const blocks: TimelineBlocks = {
    worker: [],
    from: [],
    firstToken: [],
    to: [],
    count: [],
    failed: [],
    name: [],
  };
  let merged = false;
  const mostPerWorker = mostBlocks / workers.length;
  const timed = requests.flatMap((request) => {
    const to = endOf(request);
    return request.times === null || to === null ? [] : [{ request, from: request.times.started, to }];
  });
  for (const [slot, worker] of workers.entries()) {
    const own = timed.filter(({ request }) => request.worker === worker).sort((a, b) => a.from - b.from);
    const span = own.length === 0 ? 0 : own.at(-1)!.to - own[0]!.from;
    const apart = own.length > mostPerWorker ? span / mostPerWorker : -1;
    let last = -1;
    for (const { request, from, to } of own) {
      const failed = isOk(request) ? 0 : 1;
      if (last >= 0 && to - blocks.from[last]! < apart) {
        merged = true;
        blocks.to[last] = Math.max(blocks.to[last]!, to);
        blocks.count[last]!++;
        blocks.failed[last]! += failed;
        blocks.firstToken[last] = null;
        blocks.name[last] = `${blocks.count[last]} requests`;
        continue;
      }
      last = blocks.from.push(from) - 1;
      blocks.worker.push(slot);
      blocks.firstToken.push(request.times!.firstToken);
      blocks.to.push(to);
      blocks.count.push(1);
      blocks.failed.push(failed);
      blocks.name.push(nameOf(request.cell));
    }
  }
  return { blocks, merged };
}

/** Its last token, or what else is known of a request that failed. */
function endOf({ times }: RequestRow): number | null {
  return times === null ? null : (times.lastToken ?? times.firstToken ?? times.started);
}

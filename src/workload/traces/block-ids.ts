/**
 * Ids of blocks in the order of a prompt, as runs of consecutive ones: first id, length, first id, length … Traces number
 * blocks as they first appear, so a prompt has few runs, and 100,000 prompts of a hundred blocks fit into memory.
 */
export type IdRuns = readonly number[];

export function runsOf(ids: readonly number[]): IdRuns {
  const runs: number[] = [];
  for (const id of ids) {
    const at = runs.length - 2;
    if (at >= 0 && runs[at]! + runs[at + 1]! === id) runs[at + 1]!++;
    else runs.push(id, 1);
  }
  // Pushing reserves more than most prompts have.
  return runs.slice();
}

/** The ids of runs, the first `most` of them. */
export function idsIn(runs: IdRuns, most = Number.POSITIVE_INFINITY): number[] {
  const ids: number[] = [];
  for (let at = 0; at < runs.length; at += 2) {
    const [first, length] = [runs[at]!, runs[at + 1]!];
    for (let index = 0; index < length && ids.length < most; index++) ids.push(first + index);
  }
  return ids;
}

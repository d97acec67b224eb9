import { TokenworkError } from '../../core/errors.js';
import type { Cell, Result } from '../../core/result.js';

/** Results over the same cells, under the same names and in the same order. */
export interface MatchedResults {
  baselines: Result[];
  candidates: Result[];
  /** Cells that not every one of them ran, where that was forced. */
  leftOut: string[];
}

/**
 * Matches results by cell. Where each ran one model, the model is what is compared and its name no part of the
 * cell's. Throws TokenworkError `different-workloads` unless `force`, and `nothing-in-common` where no cell is left.
 */
export function matchWorkloads(
  baselines: readonly Result[],
  candidates: readonly Result[],
  force: boolean,
): MatchedResults {
  const leftOut = new Set<string>();
  let common = baselines[0]!;
  // What the sides have in common comes first, as what differs there is what a comparison is refused for.
  for (const other of [...candidates, ...baselines.slice(1)]) {
    const matched = matchTwo(common, other, force);
    common = matched.baseline;
    for (const cell of matched.leftOut) leftOut.add(cell);
  }
  const restrictedTo = (result: Result) => matchTwo(common, result, true).candidate;
  return {
    baselines: baselines.map(restrictedTo),
    candidates: candidates.map(restrictedTo),
    leftOut: [...leftOut],
  };
}

function matchTwo(
  baseline: Result,
  candidate: Result,
  force: boolean,
): { baseline: Result; candidate: Result; leftOut: string[] } {
  const single = [baseline, candidate].every(
    ({ cells }) => new Set(cells.map(({ model }) => model)).size === 1,
  );
  const [before, after] = [keyed(baseline, single), keyed(candidate, single)];
  const common = [...before.keys()].filter((key) => after.has(key));
  const onlyBaseline = [...before.keys()].filter((key) => !after.has(key));
  const onlyCandidate = [...after.keys()].filter((key) => !before.has(key));
  const changed = common.filter((key) => differingFactor(before.get(key)!, after.get(key)!) !== null);

  const differences = [
    ...(onlyBaseline.length > 0 ? [`only the baseline ran ${listed(onlyBaseline)}`] : []),
    ...(onlyCandidate.length > 0 ? [`only the candidate ran ${listed(onlyCandidate)}`] : []),
    ...(changed.length > 0
      ? [
          `${listed(changed)} ${changed.length === 1 ? 'means' : 'mean'} something else in each (${differingFactor(before.get(changed[0]!)!, after.get(changed[0]!)!)})`,
        ]
      : []),
  ];
  if (common.length === 0) {
    throw new TokenworkError(
      'nothing-in-common',
      `The results of the suites ${baseline.run.suite} and ${candidate.run.suite} have no cell in common: ${differences.join('; ')}.`,
      'Run the same suite on both.',
    );
  }
  if (differences.length > 0 && !force) {
    throw new TokenworkError(
      'different-workloads',
      `The workloads differ: ${differences.join('; ')}.`,
      'Run the same suite on both, or compare the common cells with --force.',
    );
  }
  const kept = common.filter((key) => !changed.includes(key) || force);
  return {
    baseline: restricted(baseline, before, kept, single),
    candidate: restricted(candidate, after, kept, single),
    leftOut: [...onlyBaseline, ...onlyCandidate],
  };
}

function keyed({ cells }: Result, single: boolean): Map<string, Cell> {
  return new Map(cells.map((cell) => [keyOf(cell, single), cell]));
}

function keyOf({ id, model }: Cell, single: boolean): string {
  return single && id.startsWith(`${model}/`) ? id.slice(model.length + 1) : id;
}

/** `stop forced against eos`; `null` where the cells are the same point of the design. */
function differingFactor(a: Cell, b: Cell): string | null {
  const names = new Set([...Object.keys(a.factors), ...Object.keys(b.factors)]);
  const name = [...names].find((factor) => a.factors[factor] !== b.factors[factor]);
  if (name === undefined) return null;
  return `${name} ${a.factors[name] ?? 'not set'} against ${b.factors[name] ?? 'not set'}`;
}

/** The result with its cells renamed to the keys, in the keys' order, and no other cell's requests. */
function restricted(
  result: Result,
  cells: Map<string, Cell>,
  keys: readonly string[],
  single: boolean,
): Result {
  const keyOfId = new Map(keys.map((key) => [cells.get(key)!.id, key]));
  return {
    ...result,
    cells: keys.map((key) => {
      const cell = cells.get(key)!;
      return { ...cell, id: key, model: single ? '' : cell.model };
    }),
    requests: result.requests.flatMap((request) => {
      const key = keyOfId.get(request.cell);
      return key === undefined ? [] : [{ ...request, cell: key }];
    }),
  };
}

const mostNamed = 3;

function listed(keys: readonly string[]): string {
  const named = keys.slice(0, mostNamed).join(', ');
  return keys.length > mostNamed ? `${named} and ${keys.length - mostNamed} more` : named;
}

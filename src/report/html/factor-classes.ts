import type { RequestTable } from '../../analysis/requests/request-table.js';
import type { Factor } from '../../analysis/uniformity/factors.js';
import type { ScatterFactor } from './charts/scatter.js';

/** More classes than this no palette keeps apart. */
const mostClasses = 6;

/** A factor's levels as classes to colour by: numbers in ranges of as many cells each, names by how common they are. */
export function factorClasses(factor: Factor, { cells }: RequestTable): ScatterFactor {
  const own = factor.name.split(' = ')[0]!;
  const ordered = factor.numeric;
  const classOf = ordered
    ? ranges(factor.values)
    : commonest(cells.map(({ factors }) => String(factors[own] ?? 'none')));
  return { name: factor.name, ordered, ...classOf };
}

function ranges(values: Float64Array): Pick<ScatterFactor, 'classes' | 'of'> {
  const levels = [...new Set(values)].sort((a, b) => a - b);
  const sorted = values.toSorted();
  const bounds =
    levels.length <= mostClasses
      ? levels
      : [
          ...new Set(
            Array.from(
              { length: mostClasses },
              (_, k) => sorted[Math.floor(((k + 1) * sorted.length) / mostClasses) - 1]!,
            ),
          ),
        ];
  let below = Number.NEGATIVE_INFINITY;
  const classes = bounds.map((bound) => {
    const least = levels.find((level) => level > below)!;
    below = bound;
    return least === bound ? String(bound) : `${least}–${bound}`;
  });
  return { classes, of: Array.from(values, (value) => bounds.findIndex((bound) => value <= bound)) };
}

function commonest(names: readonly string[]): Pick<ScatterFactor, 'classes' | 'of'> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  const byCount = [...counts].sort(([, a], [, b]) => b - a).map(([name]) => name);
  const classes = byCount.length <= mostClasses ? byCount : [...byCount.slice(0, mostClasses - 1), 'others'];
  return {
    classes,
    of: names.map((name) => (classes.includes(name) ? classes.indexOf(name) : classes.length - 1)),
  };
}

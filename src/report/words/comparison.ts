import type { ComparedCell, ComparisonVerdict } from '../../analysis/compare/cells.js';
import type { Comparison } from '../../analysis/compare/compare.js';
import { formatCount, formatNumber } from './format.js';
import { comparedName } from './metric-name.js';

/** Nearest to money first; a comparison is about the first that both sides measured. */
const importance = ['energy', 'gpuTime', 'cpuTime', 'e2e', 'tpot', 'ttft'];

/** The metric that a comparison's sentence is about; `null` where none is compared. */
export function leadingComparison({ geomean }: Comparison): string | null {
  return importance.find((metric) => geomean[metric] !== undefined) ?? Object.keys(geomean)[0] ?? null;
}

/** What changed, in a sentence, and how surely. */
export function comparisonHeadline(comparison: Comparison): string {
  const metric = leadingComparison(comparison);
  if (metric === null) return 'What changed is not known: nothing was measured by both.';
  const { ratio, low, high, verdict } = comparison.geomean[metric]!;
  const name = comparedName(metric);
  const rows = comparison.cells.filter((row) => row.metric === metric);
  const interval =
    low === null || high === null || low === high ? '' : ` [${formatNumber(low)}–${formatNumber(high)}]`;
  const times = `${formatNumber(ratio)}×${interval}`;
  if (verdict === null) {
    return `The candidate took ${times} the baseline's ${name}; too few repetitions say whether that is real.`;
  }
  if (verdict === 'same') return `The candidate took the same ${name} as the baseline, within 1%: ${times}.`;
  if (verdict === '~') {
    return `Whether the candidate's ${name} differs cannot be told: ${times} the baseline's${perCell(rows)}.`;
  }
  return `The candidate took ${times} the baseline's ${name}${perCell(rows)}.`;
}

/** `: faster in 13 of 16 cells, in 3 cannot be told`. */
function perCell(rows: readonly ComparedCell[]): string {
  const count = (wanted: ComparisonVerdict) => rows.filter(({ verdict }) => verdict === wanted).length;
  const parts = [
    ...(['slower', 'faster', 'same'] as const).flatMap((verdict) =>
      count(verdict) > 0 ? [`${verdict} in ${count(verdict)}`] : [],
    ),
    ...(count('~') > 0 ? [`no telling in ${count('~')}`] : []),
  ];
  return parts.length === 0 ? '' : `; of ${formatCount(rows.length, 'cell')} ${parts.join(', ')}`;
}

import type { ComparedCell } from '../../analysis/compare/cells.js';
import type { Comparison } from '../../analysis/compare/compare.js';
import type { ComparisonVerdict } from '../../analysis/compare/verdicts.js';
import { byImportance, findMetric, isDerived } from '../../core/metrics.js';
import { formatCount, formatEstimate, ratios } from './format.js';
import { metricName } from './names.js';

/** The metric that a comparison's sentence is about: the nearest to money that was measured, not computed. */
export function leadingComparison({ geomean }: Comparison): string | null {
  const compared = byImportance(Object.keys(geomean));
  return compared.find((name) => !isDerived(findMetric(name)!)) ?? compared[0] ?? null;
}

/** Says what changed in a sentence, and how surely. */
export function comparisonHeadline(comparison: Comparison): string {
  const metric = leadingComparison(comparison);
  if (metric === null) return 'What changed is not known: nothing was measured by both.';
  const { ratio, low, high, verdict } = comparison.geomean[metric]!;
  const name = metricName(metric);
  const rows = comparison.cells.filter((row) => row.metric === metric);
  const times = formatEstimate({ value: ratio, low, high }, ratios);
  if (verdict === null) {
    return comparison.warnings.some(({ code }) => code === 'measured-busy')
      ? `Whether the candidate's ${name} differs cannot be told, as the machine was busy: ${times} the baseline's.`
      : `The candidate took ${times} the baseline's ${name}; too few repetitions say whether that is real.`;
  }
  if (verdict === 'same') return `The candidate took the same ${name} as the baseline, within 1%: ${times}.`;
  if (verdict === '~') {
    return `Whether the candidate's ${name} differs cannot be told: ${times} the baseline's${perCell(metric, rows)}.`;
  }
  return `The candidate took ${times} the baseline's ${name}${perCell(metric, rows)}.`;
}

/** `: faster in 13 of 16 cells, in 3 cannot be told`. */
function perCell(metric: string, rows: readonly ComparedCell[]): string {
  const { words } = findMetric(metric)!;
  const count = (wanted: ComparisonVerdict) => rows.filter(({ verdict }) => verdict === wanted).length;
  const parts = [
    ...([words.more, words.less, 'same'] as const).flatMap((verdict) =>
      count(verdict) > 0 ? [`${verdict} in ${count(verdict)}`] : [],
    ),
    ...(count('~') > 0 ? [`no telling in ${count('~')}`] : []),
  ];
  return parts.length === 0 ? '' : `; of ${formatCount(rows.length, 'cell')} ${parts.join(', ')}`;
}

/** The files that are compared. */
export interface ComparedNames {
  baseline: string;
  candidate: string;
}

/** Notes on how verdicts were reached, and what to beware of. */
export function comparisonNotes({ method, warnings }: Comparison): string[] {
  return [method, ...warnings.map(({ message, hint }) => `Warning: ${message} ${hint}`)];
}

/** Warnings that stand beside the answer, as they say what it is worth, and those that follow it. */
export function partWarnings({ warnings }: Comparison): { loud: string[]; others: Comparison['warnings'] } {
  return {
    loud: warnings
      .filter(({ code }) => code === 'measured-busy')
      .map(({ message, hint }) => `Warning: ${message} ${hint}`),
    others: warnings.filter(({ code }) => code !== 'measured-busy'),
  };
}

import type { Comparison } from '../../../analysis/compare/compare.js';
import type { ComparedNames } from '../../words/comparison.js';
import type { PageContext } from '../page-context.js';

/** Data that a section on a comparison is drawn from. */
export interface ComparisonContext {
  comparison: Comparison;
  names: ComparedNames;
  /** Those compared cell by cell, the one that the headline is about first. */
  metrics: readonly string[];
  id: PageContext['id'];
}

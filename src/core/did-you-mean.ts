import { closest, distance } from 'fastest-levenshtein';

/** ` Did you mean "x"?` where something is near enough to have been meant, otherwise nothing. */
export function didYouMean(value: string, choices: readonly string[]): string {
  if (choices.length === 0) return '';
  const nearest = closest(value, [...choices]);
  return distance(value, nearest) <= Math.max(2, value.length / 2) ? ` Did you mean "${nearest}"?` : '';
}

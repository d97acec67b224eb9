import { closest, distance } from 'fastest-levenshtein';

/** One letter apart, and never meant for each other. */
const opposites: Readonly<Record<string, string>> = { gpu: 'cpu', cpu: 'gpu' };

/** ` Did you mean "x"?` where something is near enough to have been meant, otherwise nothing. */
export function didYouMean(value: string, choices: readonly string[]): string {
  const opposite = opposites[value.toLowerCase()];
  const meant = choices.filter((choice) => choice !== opposite);
  if (meant.length === 0) return '';
  const nearest = closest(value, meant);
  return distance(value, nearest) <= Math.max(2, value.length / 2) ? ` Did you mean "${nearest}"?` : '';
}

/**
 * The page's colours by name. Charts are SVG and take them as CSS variables, so that light, dark and paper
 * are the style sheet's business alone; their values are in client/page.css. A colour stands for its meaning
 * and for nothing else on any page; the palettes below share no hue with it but that of what was measured.
 */
export const color = {
  ink: 'var(--ink)',
  muted: 'var(--muted)',
  line: 'var(--line)',
  grid: 'var(--grid)',
  surface: 'var(--surface)',
  /** Measured; also what can be pressed. */
  accent: 'var(--accent)',
  /** Pays more than it costs. */
  over: 'var(--over)',
  /** Pays less than it costs. */
  under: 'var(--under)',
  /** Work that no bill shows. */
  hidden: 'var(--hidden)',
  /** Failed, cut short, slower than before. */
  trouble: 'var(--trouble)',
} as const;

/** The meaning of a mark's colour; `muted` cannot be told from noise, or from no difference. */
export type Tone = 'accent' | 'over' | 'under' | 'hidden' | 'trouble' | 'muted';

/** Hues that differ for all common kinds of colour vision; each has a shape and a dash of its own besides. */
export const categorical = ['var(--s1)', 'var(--s2)', 'var(--s3)', 'var(--s4)', 'var(--s5)', 'var(--s6)'];
/** Colours in order, for little to much. */
export const sequential = ['var(--q1)', 'var(--q2)', 'var(--q3)', 'var(--q4)', 'var(--q5)', 'var(--q6)'];
export const symbols = [
  'circle',
  'triangle',
  'rect',
  'diamond',
  'path://M0 0h10l-5 9z',
  'path://M3 0h4v3h3v4h-3v3h-4v-3h-3v-4h3z',
];
/** For lines in a legend, whose own sign would be a dot. */
export const lineSign = 'path://M0 0h14v2.5h-14z';
export const dashes: (number[] | 'solid')[] = ['solid', [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [1, 3]];

export function nth<Item>(items: readonly Item[], index: number): Item {
  return items[index % items.length]!;
}

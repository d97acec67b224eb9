import Grid from 'cli-table3';
import { readColumns, type ShownColumn } from '../tables/table.js';

const gap = 2;
const narrowestFirstColumn = 10;

/** The columns there is room for in `width`: those of the least priority are left out, never the first two. */
export function fittingColumns(columns: readonly ShownColumn[], width: number): ShownColumn[] {
  const kept = readColumns(columns);
  const total = () => kept.reduce((sum, column) => sum + widthOf(column), gap * (kept.length - 1));
  while (kept.length > 2 && total() > width) {
    const least = kept.slice(1).reduce((a, b) => (b.priority < a.priority ? b : a));
    kept.splice(kept.indexOf(least), 1);
  }
  return kept;
}

/**
 * A table without lines. Where it is still wider than `width`, its first column is cut on the left, where
 * names differ least. `style` sets off the header.
 */
export function renderTable(
  columns: readonly ShownColumn[],
  width: number,
  style: (text: string) => string,
): string {
  const first = columns[0]!;
  const others = columns.slice(1).reduce((sum, column) => sum + gap + widthOf(column), 0);
  const room = Math.max(width - others, narrowestFirstColumn);
  const cut = { ...first, text: first.text.map((value) => cutLeft(value, room)) };
  const shown = [cut, ...columns.slice(1)];

  const grid = new Grid({
    head: shown.map(({ header }) =>
      header
        .filter((line) => line !== '')
        .map(style)
        .join('\n'),
    ),
    colAligns: shown.map(({ align }) => align),
    chars: { ...blankChars, middle: ' '.repeat(gap) },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  for (let row = 0; row < first.text.length; row++) grid.push(shown.map(({ text }) => text[row] ?? ''));
  return grid
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Characters a rendered column takes. */
export function widthOf({ header, text }: ShownColumn): number {
  return [...header, ...text].reduce((widest, { length }) => Math.max(widest, length), 0);
}

function cutLeft(text: string, room: number): string {
  return text.length <= room ? text : `…${text.slice(text.length - room + 1)}`;
}

const blankChars = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
};

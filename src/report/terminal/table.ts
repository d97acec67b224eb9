import Grid from 'cli-table3';
import { readColumns, type ShownColumn } from '../tables/table.js';

const gap = 2;
const narrowestFirstColumn = 10;

/** Names are cut to this, before a column is left out or moved below. */
const shortName = 24;

/** The columns there is room for in `width`: those of the least priority are left out, never the first two. */
export function fittingColumns(columns: readonly ShownColumn[], width: number): ShownColumn[] {
  const kept = readColumns(columns);
  const total = () => totalWidth(kept);
  while (kept.length > 2 && total() > width) {
    const least = kept.slice(1).reduce((a, b) => (b.priority < a.priority ? b : a));
    kept.splice(kept.indexOf(least), 1);
  }
  return kept;
}

/** A table with all of its columns: those there is no room for are below the others, beside the names again. */
export function renderInBlocks(
  columns: readonly ShownColumn[],
  width: number,
  style: (text: string) => string,
): string {
  const [names, ...rest] = readColumns(columns);
  const blocks: ShownColumn[][] = [];
  for (const column of rest) {
    const last = blocks.at(-1);
    if (last !== undefined && totalWidth([names!, ...last, column]) <= width) last.push(column);
    else blocks.push([column]);
  }
  if (blocks.length === 0) return renderTable([names!], width, style);
  return blocks.map((block) => renderTable([names!, ...block], width, style)).join('\n\n');
}

/** Characters that columns take, the first as short as names may be cut. */
function totalWidth([first, ...rest]: readonly ShownColumn[]): number {
  return rest.reduce((sum, column) => sum + gap + widthOf(column), Math.min(widthOf(first!), shortName));
}

/**
 * A table without lines. Where it is still wider than `width`, its first column is cut in the middle: names
 * begin and end differently. `style` sets off the header.
 */
export function renderTable(
  columns: readonly ShownColumn[],
  width: number,
  style: (text: string) => string,
): string {
  const first = columns[0]!;
  const others = columns.slice(1).reduce((sum, column) => sum + gap + widthOf(column), 0);
  const room = Math.max(width - others, narrowestFirstColumn);
  const cut = { ...first, text: first.text.map((value) => cutMiddle(value, room)) };
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

function cutMiddle(text: string, room: number): string {
  if (text.length <= room) return text;
  const end = Math.floor((room - 1) / 2);
  return `${text.slice(0, room - 1 - end)}…${text.slice(text.length - end)}`;
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

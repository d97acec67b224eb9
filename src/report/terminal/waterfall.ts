import { createColors } from 'picocolors';
import { type Waterfall, type WaterfallStep, waterfallSteps } from '../../analysis/stages/waterfall.js';
import { waterfallTable } from '../tables/stages.js';
import type { ShownColumn } from '../tables/table.js';
import { formatNumber, formatTokens } from '../words/format.js';
import { metricName } from '../words/names.js';
import { fittingColumns, renderTable, widthOf } from './table.js';
import { wrap } from './wrap.js';

const longestBar = 60;
const shortestBar = 12;
const gap = 2;

/**
 * A waterfall for a terminal: a sentence, then a row per stage with its tokens and a bar that floats from
 * where the one before ended. Without colour the glyph tells what a bar is: █ a total, ▓ a stage worth more
 * than it is billed, ░ one worth less.
 */
export function renderWaterfall(
  waterfall: Waterfall,
  { width, color, name = waterfall.of }: { width: number; color: boolean; name?: string },
): string {
  const colors = createColors(color);
  const metric = metricName(waterfall.metric);
  const steps = waterfallSteps(waterfall);
  if (steps === null) {
    const why = waterfall.reason ?? `a stage's ${metric} was not measured`;
    return wrap(`What ${name} is worth stage by stage, by ${metric}, is not known: ${why}.`, width);
  }
  const times =
    waterfall.billed > 0 ? `, ${formatNumber(waterfall.effective! / waterfall.billed)}× as many` : '';
  const sentence =
    `${name}: billed ${formatTokens(waterfall.billed)} tokens, worth ${formatTokens(waterfall.effective!)} ` +
    `effective tokens by ${metric}${times}.`;
  const columns = fittingColumns(waterfallTable(waterfall)!.columns, width - shortestBar - gap);
  const taken = columns.reduce((sum, column) => sum + widthOf(column) + gap, 0);
  const room = Math.min(longestBar, width - taken);
  const bars = room < shortestBar ? [] : [barColumn(steps, room)];
  const table = renderTable([...columns, ...bars], width, colors.bold).replace(/[█▓░]+/g, (bar) =>
    bar.startsWith('▓') ? colors.red(bar) : bar.startsWith('░') ? colors.green(bar) : bar,
  );
  return `${colors.bold(wrap(sentence, width))}\n${table}`;
}

function barColumn(steps: readonly WaterfallStep[], room: number): ShownColumn {
  const levels = steps.flatMap(({ from, to }) => [from, to]);
  const [lowest, highest] = [Math.min(0, ...levels), Math.max(...levels)];
  const at = (level: number) => Math.round(((level - lowest) / (highest - lowest || 1)) * room);
  const text = steps.map(({ kind, from, to }) => {
    const glyph = kind === 'billed' || kind === 'effective' ? '█' : to >= from ? '▓' : '░';
    const [start, end] = [at(Math.min(from, to)), at(Math.max(from, to))];
    return ' '.repeat(start) + glyph.repeat(end - start);
  });
  return { header: ['', ''], align: 'left', priority: 0, text };
}

import { createColors } from 'picocolors';
import { type Waterfall, type WaterfallStep, waterfallSteps } from '../../analysis/stages/waterfall.js';
import { formatNumber, formatTokens } from '../words/format.js';
import { metricName } from '../words/metric-name.js';
import { type Column, fittingColumns, renderTable, widthOf } from './table.js';
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
  const columns = fittingColumns(columnsOf(steps), width - shortestBar - gap);
  const taken = columns.reduce((sum, column) => sum + widthOf(column) + gap, 0);
  const room = Math.min(longestBar, width - taken);
  const bars = room < shortestBar ? [] : [barColumn(steps, room)];
  const table = renderTable([...columns, ...bars], width, colors.bold).replace(/[█▓░]+/g, (bar) =>
    bar.startsWith('▓') ? colors.red(bar) : bar.startsWith('░') ? colors.green(bar) : bar,
  );
  return `${colors.bold(wrap(sentence, width))}\n${table}`;
}

function columnsOf(steps: readonly WaterfallStep[]): Column[] {
  const column = (header: Column['header'], importance: number, value: (step: WaterfallStep) => string) => ({
    header,
    importance,
    align: 'right' as const,
    values: steps.map(value),
  });
  const effectiveOf = ({ stage, from, to }: WaterfallStep) => stage?.effective ?? to - from;
  return [
    { ...column(['stage', ''], 100, ({ label }) => label), align: 'left' },
    column(['processed', ''], 60, ({ stage }) => (stage === null ? '' : formatTokens(stage.processed))),
    column(['billed', ''], 80, ({ stage, kind, to }) =>
      kind === 'billed' ? formatTokens(to) : stage === null ? '' : formatTokens(stage.billed),
    ),
    column(['effective', ''], 99, (step) => (step.kind === 'billed' ? '' : formatTokens(effectiveOf(step)))),
    { ...column(['visible', ''], 70, ({ stage }) => stage?.visibility ?? ''), align: 'left' },
  ];
}

function barColumn(steps: readonly WaterfallStep[], room: number): Column {
  const levels = steps.flatMap(({ from, to }) => [from, to]);
  const [lowest, highest] = [Math.min(0, ...levels), Math.max(...levels)];
  const at = (level: number) => Math.round(((level - lowest) / (highest - lowest || 1)) * room);
  const values = steps.map(({ kind, from, to }) => {
    const glyph = kind === 'billed' || kind === 'effective' ? '█' : to >= from ? '▓' : '░';
    const [start, end] = [at(Math.min(from, to)), at(Math.max(from, to))];
    return ' '.repeat(start) + glyph.repeat(end - start);
  });
  return { header: ['', ''], align: 'left', importance: 0, values };
}

import type { PromptTrace } from '../../analysis/stages/prompt-trace.js';
import { metricOf } from '../../core/metrics.js';
import { nanosecondUnits } from '../../core/units.js';
import { dash, formatEstimate, formatTokens } from '../words/format.js';
import { metricName } from '../words/names.js';
import { largestPart } from '../words/prompt-trace.js';
import { columnsOf, type Table } from './table.js';

/** A row: a prompt by its name and the beginning of its text, where that is known. */
export interface PromptRow {
  name: string;
  excerpt: string | null;
  trace: PromptTrace | null;
}

/** Prompts beside each other: what each is billed, takes and is worth, and where most of its work went. */
export function promptsTable(rows: readonly PromptRow[], metric: PromptTrace['metric']): Table {
  const table = columnsOf(rows);
  const cost = (of: (trace: PromptTrace) => number | null) => (row: PromptRow) => row.trace && of(row.trace);
  const inTime = { unit: 'ns', scale: nanosecondUnits };
  const { heading } = metricOf('cpuTime');
  const texts = rows.some(({ excerpt }) => excerpt !== null);
  return {
    name: 'prompts',
    title: `Prompts and what each is worth in plain tokens, by ${metricName(metric)}`,
    columns: [
      table.text('prompt', ({ name }) => name, { priority: 100 }),
      ...(texts ? [table.text('text', ({ excerpt }) => excerpt, { priority: 20 })] : []),
      table.number(
        ['billed', 'tokens'],
        cost(({ waterfall }) => waterfall.billed),
        {
          priority: 95,
          show: formatTokens,
        },
      ),
      table.quantity(
        'time',
        cost(({ cost: { latency } }) => latency.value),
        { ...inTime, priority: 90 },
      ),
      table.quantity(
        heading,
        cost(({ cost: { cpuTime } }) => cpuTime?.value ?? null),
        {
          ...inTime,
          priority: 85,
        },
      ),
      ...(rows.some(({ trace }) => trace?.cost.gpuTime)
        ? [
            table.quantity(
              'GPU',
              cost(({ cost: { gpuTime } }) => gpuTime?.value ?? null),
              {
                ...inTime,
                priority: 86,
              },
            ),
          ]
        : []),
      {
        ...table.estimate(
          ['effective', 'tokens'],
          ({ trace }) => trace?.effective ?? { value: null, low: null, high: null },
          { priority: 97 },
        ),
        text: rows.map(({ trace }) => (trace === null ? dash : formatEstimate(trace.effective))),
      },
      table.number(
        ['effective', '÷ billed'],
        cost(({ effective, waterfall }) => effective.value / waterfall.billed),
        { priority: 80, show: formatTokens },
      ),
      table.text(['most of', 'its work'], ({ trace }) => (trace === null ? 'failed' : largestPart(trace)), {
        priority: 70,
        id: 'most_of_its_work',
      }),
    ],
  };
}

/** The stages of one prompt with their intervals. */
export function tracedStagesTable({ stages, metric }: PromptTrace): Table {
  const table = columnsOf(stages);
  return {
    name: 'traced-stages',
    title: `Effective tokens of each stage, by ${metricName(metric)}`,
    columns: [
      table.text('stage', ({ name }) => name, { priority: 100 }),
      table.text('part of the answer', ({ component }) => component, { priority: 40 }),
      table.number('processed', ({ processed }) => processed, { show: formatTokens, priority: 60 }),
      table.number('billed', ({ billed }) => billed, { show: formatTokens, priority: 80 }),
      table.estimate('effective', ({ interval }) => interval, { priority: 99 }),
      table.text('visible', ({ visibility }) => visibility ?? dash, { priority: 70 }),
    ],
  };
}

import { formatWithUnit } from '../../words/format.js';
import { linearAxis } from '../axes.js';
import { baseOption, fontFamily, still } from '../base-option.js';
import { color } from '../theme.js';
import { tooltipMarkup } from '../tooltip.js';
import { type ChartKind, isNarrow } from '../view.js';

/** Bars that float from where the one before ended; those of one name are one waterfall, of which one is chosen. */
export interface WaterfallSpec {
  kind: 'waterfall';
  axis: string;
  waterfalls: { of: string; steps: WaterfallBar[] }[];
}

export interface WaterfallBar {
  label: string;
  from: number;
  to: number;
  /** A total stands on the axis; a step is worth more than its bill (`hidden`: it has none) or less. */
  kind: 'total' | 'more' | 'hidden' | 'less';
  /** Rows of the tooltip. */
  details: [name: string, value: string][];
}

const rowHeight = 30;
const tones = { total: color.ink, more: color.under, hidden: color.hidden, less: color.over };

interface Api {
  value(dimension: number): number;
  coord(point: [number, number]): [number, number];
}

export const waterfall: ChartKind<WaterfallSpec> = {
  // As high as the highest, so that the page does not jump with the choice.
  height: ({ waterfalls }) => Math.max(...waterfalls.map(({ steps }) => steps.length)) * rowHeight + 64,
  option({ axis, waterfalls }, view) {
    const base = baseOption(view, 'item');
    const { steps } = waterfalls[Number(view.choice.of ?? 0)] ?? waterfalls[0]!;
    const narrow = isNarrow(view);
    const room = narrow ? 120 : 220;
    return {
      ...base,
      grid: { left: room, right: narrow ? 56 : 90, top: 12, bottom: 52, outerBoundsMode: 'none' },
      tooltip: {
        ...(base.tooltip as object),
        formatter: ({ dataIndex }: { dataIndex: number }) =>
          tooltipMarkup(steps[dataIndex]!.label, steps[dataIndex]!.details),
      },
      xAxis: {
        ...linearAxis({
          name: axis,
          format: (value) => `${Number(value.toPrecision(6))}`,
          ...(steps.every(({ from, to }) => Math.min(from, to) >= 0) && { min: 0 }),
        }),
        splitNumber: narrow ? 3 : 6,
      },
      yAxis: {
        type: 'category',
        inverse: true,
        data: steps.map(({ label }) => label),
        axisLine: { show: false },
        axisTick: { show: false },
        axisLabel: {
          color: color.ink,
          fontSize: 13,
          width: room - 12,
          overflow: 'truncate',
          interval: 0,
        },
      },
      series: [
        {
          type: 'custom',
          data: steps.map(({ from, to }, index) => [from, to, index]),
          encode: { x: [0, 1], y: 2 },
          clip: false,
          renderItem: (_: unknown, api: Api) => drawBar(steps, api.value(2), api),
          z: 3,
          ...still,
        },
      ],
    };
  },
};

function drawBar(steps: readonly WaterfallBar[], index: number, api: Api) {
  const { from, to, kind } = steps[index]!;
  const [start, y] = api.coord([from, index]);
  const [end] = api.coord([to, index]);
  const [left, right] = [Math.min(start, end), Math.max(start, end)];
  const text =
    kind === 'total'
      ? formatWithUnit(to, '')
      : `${to < from ? '−' : '+'}${formatWithUnit(Math.abs(to - from), '')}`;
  const children: object[] = [
    {
      type: 'rect',
      shape: { x: left, y: y - 9, width: Math.max(1.5, right - left), height: 18, r: 2 },
      style: { fill: tones[kind], opacity: 0.85 },
    },
    {
      type: 'text',
      style: { text, x: right + 8, y, verticalAlign: 'middle', fontFamily, fill: color.muted, fontSize: 12 },
    },
  ];
  if (index < steps.length - 1) {
    children.push({
      type: 'line',
      shape: { x1: end, y1: y + 9, x2: end, y2: y + rowHeight - 9 },
      style: { stroke: color.line, lineWidth: 1 },
    });
  }
  return { type: 'group', children };
}

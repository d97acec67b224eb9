import { linearAxis } from '../axes.js';
import { baseOption, fontFamily, still } from '../base-option.js';
import { color } from '../theme.js';
import { tooltipMarkup } from '../tooltip.js';
import { axisUnit, formatWithUnit } from '../units.js';
import { type ChartKind, isNarrow } from '../view.js';

/** Steps that add up to a whole, each beginning where the one before ended. */
export interface WaterfallSpec {
  kind: 'waterfall';
  axis: { name: string; unit: string };
  steps: { label: string; amount: number; tone: 'accent' | 'warm' | 'muted'; text: string }[];
  /** The last bar, from 0. */
  total: string;
}

interface Bar {
  label: string;
  from: number;
  to: number;
  tone: keyof typeof color;
  text: string;
}

const rowHeight = 30;
interface Api {
  value(dimension: number): number;
  coord(point: [number, number]): [number, number];
}

export const waterfall: ChartKind<WaterfallSpec> = {
  height: ({ steps }) => (steps.length + 1) * rowHeight + 64,
  option({ axis, steps, total }, view) {
    const base = baseOption(view, 'item');
    const bars: Bar[] = [];
    let reached = 0;
    for (const { amount, ...step } of steps) {
      bars.push({ ...step, from: reached, to: reached + amount });
      reached += amount;
    }
    bars.push({ label: total, from: 0, to: reached, tone: 'ink', text: formatWithUnit(reached, axis.unit) });
    const unit = axisUnit(axis.unit, reached);
    const narrow = isNarrow(view);
    return {
      ...base,
      grid: {
        left: narrow ? 110 : 160,
        right: narrow ? 90 : 160,
        top: 12,
        bottom: 52,
        outerBoundsMode: 'none',
      },
      tooltip: {
        ...(base.tooltip as object),
        formatter: ({ dataIndex }: { dataIndex: number }) => {
          const { label, from, to, text } = bars[dataIndex]!;
          return tooltipMarkup(label, [
            [axis.name, formatWithUnit(to - from, axis.unit)],
            ['', text],
          ]);
        },
      },
      xAxis: linearAxis({
        name: [axis.name, unit.name].filter((part) => part !== '').join(', '),
        format: (value) => `${Number((value / unit.per).toPrecision(6))}`,
        min: 0,
      }),
      yAxis: {
        type: 'category',
        inverse: true,
        data: bars.map(({ label }) => label),
        axisLine: { show: false },
        axisTick: { show: false },
        axisLabel: {
          color: color.ink,
          fontSize: 13,
          width: narrow ? 100 : 150,
          overflow: 'truncate',
          interval: 0,
        },
      },
      series: [
        {
          type: 'custom',
          data: bars.map(({ from, to }, index) => [from, to, index]),
          encode: { x: [0, 1], y: 2 },
          clip: false,
          renderItem: (_: unknown, api: Api) => {
            const index = api.value(2);
            const { text, tone } = bars[index]!;
            const [left, y] = api.coord([api.value(0), index]);
            const [right] = api.coord([api.value(1), index]);
            return {
              type: 'group',
              children: [
                {
                  type: 'rect',
                  shape: { x: left, y: y - 9, width: Math.max(1.5, right - left), height: 18, r: 2 },
                  style: { fill: color[tone], opacity: 0.85 },
                },
                {
                  type: 'line',
                  shape: { x1: right, y1: y + 9, x2: right, y2: y + rowHeight - 9 },
                  style: { stroke: color.line, lineWidth: index < bars.length - 1 ? 1 : 0 },
                },
                {
                  type: 'text',
                  style: {
                    text,
                    x: right + 8,
                    y,
                    verticalAlign: 'middle',
                    fontFamily,
                    fill: color.muted,
                    fontSize: 12,
                  },
                },
              ],
            };
          },
          z: 3,
          ...still,
        },
      ],
    };
  },
};

import { formatWithUnit } from '../../words/format.js';
import { linearAxis, logAxis } from '../axes.js';
import { baseOption, noteText, still } from '../base-option.js';
import { color } from '../theme.js';
import { tooltipMarkup } from '../tooltip.js';
import type { ChartKind } from '../view.js';

/** Counts of a latency, in bins of equal width on a logarithmic axis. */
export interface DistributionSpec {
  kind: 'distribution';
  name: string;
  /** Things that were counted: `requests`, `tokens`. */
  counted: string;
  unit: string;
  /** Bounds of the bins, one more than there are counts. */
  bounds: number[];
  counts: number[];
  marks: { name: string; value: number }[];
}

interface Api {
  value(dimension: number): number;
  coord(point: [number, number]): [number, number];
}

const [left, right, labelHeight] = [48, 18, 14];

export const distribution: ChartKind<DistributionSpec> = {
  height: () => 260,
  option({ name, counted, unit, bounds, counts, marks }, view) {
    const base = baseOption(view, 'item');
    const total = counts.reduce((sum, count) => sum + count, 0);
    const at = (value: number) => Math.log(value / bounds[0]!) / Math.log(bounds.at(-1)! / bounds[0]!);
    const level = stacked(
      marks.map(({ name, value }) => ({
        x: at(value) * (view.width - left - right),
        width: name.length * 7 + 6,
      })),
    );
    const levels = Math.max(0, ...level) + 1;
    const percent = (value: number) => `${Number((value * 100).toPrecision(3))}%`;
    return {
      ...base,
      grid: { left, right, top: 38 + levels * labelHeight, bottom: 48 },
      tooltip: {
        ...(base.tooltip as object),
        formatter: ({ dataIndex }: { dataIndex: number }) =>
          tooltipMarkup(
            `${formatWithUnit(bounds[dataIndex]!, unit)} – ${formatWithUnit(bounds[dataIndex + 1]!, unit)}`,
            [
              [counted, String(counts[dataIndex]!)],
              ['share', percent(counts[dataIndex]! / total)],
            ],
          ),
      },
      xAxis: logAxis({
        name,
        format: (value) => formatWithUnit(value, unit),
        min: bounds[0]!,
        max: bounds.at(-1)!,
      }),
      yAxis: {
        ...linearAxis({ name: `share of ${counted}`, format: percent, min: 0 }, true),
        nameGap: 10 + levels * labelHeight,
        splitNumber: 4,
      },
      series: [
        {
          type: 'custom',
          data: counts.map((count, index) => [bounds[index]!, bounds[index + 1]!, count / total]),
          encode: { x: [0, 1], y: 2 },
          renderItem: (_: unknown, api: Api) => {
            const [left, top] = api.coord([api.value(0), api.value(2)]);
            const [right, bottom] = api.coord([api.value(1), 0]);
            const shape = {
              x: left + 0.5,
              y: top,
              width: Math.max(1, right - left - 1),
              height: bottom - top,
            };
            return { type: 'rect', shape, style: { fill: color.accent, opacity: 0.75 } };
          },
          z: 2,
          ...still,
        },
        {
          type: 'line',
          data: [],
          silent: true,
          markLine: {
            symbol: 'none',
            silent: true,
            animation: false,
            data: marks.map((mark, index) => ({
              xAxis: mark.value,
              label: noteText(mark.name, {
                position: 'end',
                distance: 3 + level[index]! * labelHeight,
                color: color.ink,
              }),
            })),
            lineStyle: { color: color.ink, width: 1.25, type: [4, 3] },
            ...still,
          },
          z: 3,
        },
      ],
    };
  },
};

/** For each label, centred at `x`, the lowest row in which it touches none before it. */
function stacked(labels: readonly { x: number; width: number }[]): number[] {
  const ends: number[] = [];
  return labels.map(({ x, width }) => {
    const free = ends.findIndex((end) => end < x - width / 2);
    const row = free < 0 ? ends.length : free;
    ends[row] = x + width / 2;
    return row;
  });
}

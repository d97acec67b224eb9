import { linearAxis } from '../axes.js';
import { baseOption, noteText, still } from '../base-option.js';
import { color } from '../theme.js';
import { tooltipMarkup } from '../tooltip.js';
import { type ChartKind, isNarrow } from '../view.js';

/** Shares of the bill and of the work, from (0, 0) to (1, 1), cells by rising work per token. */
export interface LorenzSpec {
  kind: 'lorenz';
  metric: string;
  points: [bill: number, work: number][];
  /** Point at which the curve is farthest from the diagonal: by the Hoover index. */
  gap: { bill: number; work: number; text: string };
}

const percent = (share: number) => `${Math.round(share * 1000) / 10}%`;

export const lorenz: ChartKind<LorenzSpec> = {
  height: (_, width) => Math.round(Math.min(420, Math.max(320, width * 0.85))),
  option({ metric, points, gap }, view) {
    const base = baseOption(view, 'axis');
    return {
      ...base,
      grid: { left: 52, right: 16, top: 34, bottom: 48 },
      tooltip: {
        ...(base.tooltip as object),
        formatter: (items: { value: [number, number] }[]) => {
          const [bill, work] = items[0]?.value ?? [0, 0];
          return tooltipMarkup(`The cheapest ${percent(bill)} of the bill`, [
            [`does of the ${metric}`, percent(work)],
            ['if tokens tracked it', percent(bill)],
          ]);
        },
      },
      xAxis: linearAxis({
        name: 'share of the bill, cheapest tokens first',
        format: percent,
        min: 0,
        max: 1,
      }),
      yAxis: linearAxis({ name: `share of the ${metric}`, format: percent, min: 0, max: 1 }, true),
      series: [
        {
          type: 'line',
          name: 'work',
          data: points,
          showSymbol: points.length <= 40,
          symbol: 'circle',
          symbolSize: 5,
          lineStyle: { color: color.accent, width: 2.5 },
          itemStyle: { color: color.accent },
          z: 3,
          ...still,
        },
        {
          type: 'custom',
          silent: true,
          data: [[0, 0]],
          tooltip: { show: false },
          renderItem: (_: unknown, api: { coord(point: number[]): number[] }) => ({
            type: 'polygon',
            shape: { points: points.map((point) => api.coord(point)) },
            style: { fill: color.accent, opacity: 0.12 },
          }),
          z: 1,
        },
        {
          type: 'line',
          name: 'proportional',
          data: [
            [0, 0],
            [1, 1],
          ],
          showSymbol: false,
          silent: true,
          lineStyle: { color: color.muted, width: 1.5, type: [5, 4] },
          endLabel: { show: false },
          z: 2,
          ...still,
        },
        {
          type: 'line',
          data: [
            [gap.bill, gap.work],
            [gap.bill, gap.bill],
          ],
          showSymbol: false,
          silent: true,
          lineStyle: { color: color.ink, width: 2 },
          markLine: undefined,
          z: 4,
          ...still,
        },
        {
          type: 'scatter',
          data: [[gap.bill, gap.bill]],
          symbolSize: 1,
          silent: true,
          itemStyle: { color: color.ink },
          label: noteText(gap.text, {
            position: 'left',
            distance: 8,
            color: color.ink,
            fontWeight: 600,
            fontSize: isNarrow(view) ? 12 : 13,
          }),
          z: 5,
          ...still,
        },
      ],
    };
  },
};

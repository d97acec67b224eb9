import { formatWithUnit } from '../../words/format.js';
import { logAxis, logBounds } from '../axes.js';
import { baseOption, legendOption, noteText, still } from '../base-option.js';
import { categorical, color, dashes, nth, symbols } from '../theme.js';
import { tooltipMarkup } from '../tooltip.js';
import { type ChartKind, isNarrow } from '../view.js';

/** Achieved rates against what the machine was measured to reach (Williams et al. 2009). */
export interface RooflineSpec {
  kind: 'roofline';
  /** Per dtype: FLOP/s at most, and bytes/s at most. */
  roofs: { name: string; flopsPerSecond: number; bytesPerSecond: number }[];
  groups: {
    name: string;
    points: { cell: string; intensity: number; flopsPerSecond: number; shareOfRoof: number }[];
  }[];
}

export const roofline: ChartKind<RooflineSpec> = {
  height: (_, width) => (isNarrow({ width }) ? 400 : 440),
  option({ roofs, groups }, view) {
    const base = baseOption(view, 'item');
    const points = groups.flatMap((group) => group.points);
    const ridges = roofs.map((roof) => roof.flopsPerSecond / roof.bytesPerSecond);
    // A slope can be seen only with some of it on both sides of the ridge.
    const slopes = ridges.flatMap((ridge) => [ridge / 4, ridge * 4]);
    const x = logBounds([...points.map(({ intensity }) => intensity), ...slopes]);
    const y = logBounds([
      ...points.map(({ flopsPerSecond }) => flopsPerSecond),
      ...roofs.map(({ flopsPerSecond }) => flopsPerSecond),
    ]);
    const names = groups.map(({ name }) => name);
    const rate = (value: number) => formatWithUnit(value, 'FLOP/s');
    return {
      ...base,
      grid: { left: 84, right: 24, top: isNarrow(view) ? 78 : 56, bottom: 48 },
      legend: legendOption(names),
      tooltip: {
        ...(base.tooltip as object),
        formatter: ({ seriesName, value }: { seriesName: string; value: [number, number, string, number] }) =>
          tooltipMarkup(`${seriesName}, ${value[2]}`, [
            ['reached', rate(value[1])],
            ['intensity', formatWithUnit(value[0], 'FLOP/B')],
            ['share of the roof', formatWithUnit(value[3], 'ratio')],
          ]),
      },
      xAxis: logAxis({
        name: 'arithmetic intensity, FLOP per byte moved',
        format: (value) => `${value}`,
        ...x,
      }),
      yAxis: logAxis({ name: 'rate reached', format: rate, ...y }, true),
      series: [
        ...roofs.map((roof, index) => roofSeries(roof, x, index)),
        ...groups.map(({ name, points }, index) => ({
          type: 'scatter',
          name,
          symbol: nth(symbols, index),
          symbolSize: points.length > 200 ? 6 : 10,
          data: points.map((point) => [point.intensity, point.flopsPerSecond, point.cell, point.shareOfRoof]),
          itemStyle: {
            color: nth(categorical, index),
            opacity: 0.85,
            borderColor: color.surface,
            borderWidth: 0.75,
          },
          z: 4,
          ...still,
        })),
      ],
    };
  },
};

function roofSeries(
  { name, flopsPerSecond, bytesPerSecond }: RooflineSpec['roofs'][number],
  { min, max }: { min: number; max: number },
  index: number,
) {
  const ridge = flopsPerSecond / bytesPerSecond;
  const text = `${name}: ${formatWithUnit(flopsPerSecond, 'FLOP/s')}, ${formatWithUnit(bytesPerSecond, 'B/s')}`;
  return {
    type: 'line',
    data: [
      [min, min * bytesPerSecond],
      [ridge, flopsPerSecond],
      {
        value: [max, flopsPerSecond],
        label: noteText(text, { position: 'insideBottomRight', align: 'right', offset: [-2, -10] }),
      },
    ],
    silent: true,
    showSymbol: true,
    symbolSize: 0.1,
    clip: true,
    lineStyle: { color: color.ink, width: 2, type: nth(dashes, index) },
    itemStyle: { color: color.ink },
    z: 3,
    ...still,
  };
}

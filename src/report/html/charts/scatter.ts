import { formatWithUnit } from '../../words/format.js';
import { logAxis, logBounds } from '../axes.js';
import { baseOption, legendOption, still } from '../base-option.js';
import { categorical, color, dashes, nth, sequential, symbols } from '../theme.js';
import { tooltipMarkup } from '../tooltip.js';
import { type ChartKind, type ChartView, isNarrow } from '../view.js';

/** A factor of the design, its levels gathered into classes few enough to tell apart. */
export interface ScatterFactor {
  name: string;
  classes: string[];
  /** Whether the classes have an order, as lengths have. */
  ordered: boolean;
  /** Each cell's class. */
  of: number[];
}

/** Work against billed tokens, a point per request. */
export interface ScatterSpec {
  kind: 'scatter';
  metric: string;
  unit: string;
  /** Parallel, one entry per request. */
  tokens: number[];
  work: number[];
  cell: number[];
  cells: string[];
  factors: ScatterFactor[];
  /** One price per token and model, as fitted; with the factor by which noise alone spreads 95% of requests. */
  tariffs: { model: string; perToken: number }[];
  noiseFactor: number | null;
}

export const scatter: ChartKind<ScatterSpec> = {
  height: (_, width) => (isNarrow({ width }) ? 420 : 480),
  option(spec, view) {
    const { metric, unit, tokens, work, cell, cells, tariffs, noiseFactor } = spec;
    const base = baseOption(view, 'item');
    const x = logBounds(tokens);
    const y = logBounds(work);
    const groups = grouped(spec, view);
    const lines = tariffs.map(({ model, perToken }, index) =>
      tariffLine(model, perToken, x, index, tariffs.length),
    );
    const names = [...groups.map(({ name }) => name), ...lines.map(({ name }) => name)];
    return {
      ...base,
      grid: { left: 64, right: 20, top: legendRows(names, view) * 22 + 34, bottom: 48 },
      legend: legendOption(
        names,
        lines.map(({ name }) => name),
      ),
      tooltip: {
        ...(base.tooltip as object),
        formatter: ({ value }: { value: [number, number, number] }) =>
          tooltipMarkup(cells[cell[value[2]]!]!, [
            ['billed', formatWithUnit(value[0], 'tokens')],
            [metric, formatWithUnit(value[1], unit)],
            ['per token', formatWithUnit(value[1] / value[0], unit)],
          ]),
      },
      xAxis: logAxis({ name: 'billed tokens, prompt + completion', format: (value) => `${value}`, ...x }),
      yAxis: logAxis(
        { name: `${metric} per request`, format: (value) => formatWithUnit(value, unit), ...y },
        true,
      ),
      ...(!view.static && {
        dataZoom: [{ type: 'inside', xAxisIndex: 0, filterMode: 'none', zoomOnMouseWheel: 'ctrl' }],
      }),
      series: [
        ...(noiseFactor === null || tariffs.length !== 1
          ? []
          : [noiseBand(tariffs[0]!.perToken, noiseFactor, x)]),
        ...lines,
        ...groups.map(({ name, ordered, of, index }) => ({
          type: 'scatter',
          name,
          data: of.map((i) => [tokens[i]!, work[i]!, i]),
          symbol: nth(symbols, index),
          symbolSize: tokens.length > 1000 ? 5 : 9,
          itemStyle: {
            color: nth(ordered ? sequential : categorical, index),
            opacity: tokens.length > 1000 ? 0.55 : 0.8,
            borderColor: color.surface,
            borderWidth: tokens.length > 1000 ? 0 : 0.75,
          },
          z: 4,
          ...still,
        })),
      ],
    };
  },
};

/** Requests by the class of the chosen factor; all in one group where there is no factor. */
function grouped({ factors, cell, tokens }: ScatterSpec, { choice }: ChartView) {
  const factor = factors.find(({ name }) => name === choice.colour) ?? factors[0];
  if (factor === undefined) {
    return [{ name: 'request', ordered: false, of: [...tokens.keys()], index: 0 }];
  }
  const { classes, ordered, of } = factor;
  const groups = classes.map((name, index) => ({
    name,
    ordered,
    // Few ordered classes take hues that are far apart.
    index:
      ordered && classes.length > 1
        ? Math.round((index * (sequential.length - 1)) / (classes.length - 1))
        : index,
    of: [] as number[],
  }));
  for (const [i, c] of cell.entries()) groups[of[c]!]!.of.push(i);
  return groups.filter((group) => group.of.length > 0);
}

function tariffLine(
  model: string,
  perToken: number,
  { min, max }: { min: number; max: number },
  index: number,
  count: number,
) {
  const name = count === 1 ? 'one price per token' : `one price per token, ${model}`;
  const stroke = count === 1 ? color.ink : nth(categorical, index);
  return {
    type: 'line',
    name,
    data: [
      [min, min * perToken],
      [max, max * perToken],
    ],
    showSymbol: false,
    silent: true,
    clip: true,
    symbol: 'none',
    lineStyle: { color: stroke, width: 1.75, type: nth(dashes, index) },
    itemStyle: { color: stroke },
    z: 3,
    ...still,
  };
}

/** Band in which 95% of requests would lie if tokens tracked work and only noise spread them. */
function noiseBand(perToken: number, factor: number, { min, max }: { min: number; max: number }) {
  const corners = [
    [min, min * perToken * factor],
    [max, max * perToken * factor],
    [max, (max * perToken) / factor],
    [min, (min * perToken) / factor],
  ];
  return {
    type: 'custom',
    silent: true,
    clip: true,
    data: [corners[0]],
    renderItem: (_: unknown, api: { coord(point: number[]): number[] }) => ({
      type: 'polygon',
      shape: { points: corners.map((corner) => api.coord(corner)) },
      style: { fill: color.muted, opacity: 0.22 },
    }),
    z: 2,
  };
}

/** Lines that a legend takes, by rough widths, so that it never lies on the plot. */
function legendRows(names: readonly string[], { width }: ChartView): number {
  let [rows, used] = [1, 0];
  for (const name of names) {
    const item = 34 + name.length * 7;
    if (used > 0 && used + item > width - 16) [rows, used] = [rows + 1, 0];
    used += item;
  }
  return rows;
}

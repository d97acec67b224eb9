import { axisUnit, formatInterval, formatWithUnit, styleOf } from '../../words/format.js';
import { linearAxis, logAxis, logBounds } from '../axes.js';
import { baseOption, noteText, still } from '../base-option.js';
import { color, type Tone } from '../theme.js';
import { tooltipMarkup } from '../tooltip.js';
import { type ChartKind, isNarrow } from '../view.js';

/** One figure with its interval. */
export interface Row {
  label: string;
  value: number;
  /** 95% interval; `null` where there is none. */
  low: number | null;
  high: number | null;
  /** A second figure to hold against it. */
  mark?: number | null;
  tone?: Tone;
  /** Text at the row's end; the value where absent. */
  text?: string;
}

/** Figures one below the other, as bars from the axis's origin or as dots, with their intervals. */
export interface RowsSpec {
  kind: 'rows';
  style: 'bar' | 'dot';
  rows: Row[];
  axis: { name: string; unit: string; scale: 'linear' | 'log' };
  /** A line across all rows; bars begin there. */
  origin?: { value: number; text: string };
  /** Meaning of `mark`. */
  markName?: string;
  /** Whether a line leads from `mark` to the value. */
  joined?: boolean;
}

const rowHeight = 28;
const head = 14;
const foot = 52;
const twoLines = { fontSize: 11, lineHeight: 13, overflow: 'break' };
/** Pixels, on average. */
const letter = 7.4;

export const rows: ChartKind<RowsSpec> = {
  height: ({ rows, origin }) => rows.length * rowHeight + head + foot + (origin?.text ? 16 : 0),
  option(spec, view) {
    const { rows, axis, origin, markName } = spec;
    const base = baseOption(view, 'item');
    const narrow = isNarrow(view);
    const values = rows.flatMap(({ value, low, high, mark }) => [
      value,
      low ?? value,
      high ?? value,
      mark ?? value,
    ]);
    const largest = Math.max(...values.map(Math.abs), Math.abs(origin?.value ?? 0), Number.MIN_VALUE);
    const unit = axisUnit(axis.unit, largest);
    const format = (value: number) => `${Number((value / unit.per).toPrecision(6))}`;
    const style = { name: [axis.name, unit.name].filter((part) => part !== '').join(', '), format };
    const start = origin?.value ?? 0;
    const texts = rows.map(({ text, value }) => text ?? formatWithUnit(value, axis.unit));
    const [left, right] = [
      Math.min(widthOf(rows.map(({ label }) => label)), view.width * (narrow ? 0.32 : 0.28)),
      Math.min(widthOf(texts), view.width * 0.34),
    ];
    return {
      ...base,
      grid: {
        left: left + 12,
        right: right + 14,
        top: head + (origin?.text ? 16 : 0),
        bottom: foot,
        outerBoundsMode: 'none',
      },
      tooltip: {
        ...(base.tooltip as object),
        formatter: ({ dataIndex }: { dataIndex: number }) => rowTooltip(rows[dataIndex]!, axis, markName),
      },
      xAxis:
        axis.scale === 'log'
          ? logAxis({ ...style, ...logBounds([...values, start]) })
          : {
              ...linearAxis({ ...style, ...(Math.min(...values, start) >= 0 && { min: 0 }) }),
              splitNumber: narrow ? 3 : 5,
            },
      yAxis: [
        labels(
          rows.map(({ label }) => cutLeft(label, Math.floor((left - 4) / letter))),
          'left',
          left,
          color.ink,
        ),
        {
          ...labels(texts, 'right', right, color.muted),
          // A figure cut short is another figure: its interval goes below it.
          ...(narrow && { axisLabel: { ...labels([], 'right', right, color.muted).axisLabel, ...twoLines } }),
        },
      ],
      series: [
        {
          type: 'custom',
          data: rows.map(({ value, low, high, mark }, index) => [
            value,
            index,
            low ?? value,
            high ?? value,
            mark ?? value,
          ]),
          encode: { x: [0, 2, 3, 4], y: 1 },
          renderItem: (_: unknown, api: Api) => drawRow(rows[api.value(1)]!, api.value(1), start, spec, api),
          clip: false,
          z: 3,
          ...still,
        },
        // A category axis without a series of its own is not drawn.
        { type: 'scatter', data: [], yAxisIndex: 1, silent: true },
        ...(origin === undefined
          ? []
          : [
              {
                type: 'line',
                data: [],
                silent: true,
                markLine: {
                  symbol: 'none',
                  silent: true,
                  animation: false,
                  data: [{ xAxis: origin.value }],
                  lineStyle: { color: color.muted, type: [4, 3], width: 1.5 },
                  label: noteText(origin.text, { position: 'start', color: color.muted, distance: 4 }),
                  ...still,
                },
              },
            ]),
      ],
    };
  },
};

/** Names differ least where they begin. */
function cutLeft(text: string, length: number): string {
  return text.length <= length ? text : `…${text.slice(text.length - length + 1)}`;
}

/** About as wide as the longest of these texts. */
function widthOf(texts: readonly string[]): number {
  return Math.max(...texts.map(({ length }) => length)) * letter + 16;
}

function labels(data: string[], position: 'left' | 'right', width: number, ink: string) {
  return {
    type: 'category' as const,
    data,
    position,
    inverse: true,
    axisLine: { show: false },
    axisTick: { show: false },
    axisLabel: {
      color: ink,
      fontSize: 13,
      width,
      overflow: 'truncate',
      ellipsis: '…',
      interval: 0,
      margin: 10,
    },
    splitLine: { show: false },
  };
}

interface Api {
  value(dimension: number): number;
  coord(point: [number, number]): [number, number];
}

/** Bar or dot, whiskers, and the mark it is held against as a hollow diamond. */
function drawRow(row: Row, index: number, start: number, { style, joined }: RowsSpec, api: Api) {
  const at = (value: number) => api.coord([value, index]);
  const [x, y] = at(row.value);
  const own = color[row.tone ?? 'accent'];
  const children: object[] = [];
  if (style === 'bar') {
    const [from] = at(start);
    const shape = { x: Math.min(from, x), y: y - 8, width: Math.abs(x - from), height: 16, r: 2 };
    children.push({ type: 'rect', shape, style: { fill: own, opacity: 0.82 } });
  }
  if (row.low !== null && row.high !== null) {
    const [low] = at(row.low);
    const [high] = at(row.high);
    const line = style === 'bar' ? { stroke: color.ink, lineWidth: 1.25 } : { stroke: own, lineWidth: 3 };
    children.push(
      { type: 'line', shape: { x1: low, y1: y, x2: high, y2: y }, style: line },
      { type: 'line', shape: { x1: low, y1: y - 4, x2: low, y2: y + 4 }, style: line },
      { type: 'line', shape: { x1: high, y1: y - 4, x2: high, y2: y + 4 }, style: line },
    );
  }
  if (row.mark !== undefined && row.mark !== null) {
    const [mark] = at(row.mark);
    const shape = { x1: mark, y1: y, x2: x, y2: y };
    if (joined) children.push({ type: 'line', shape, style: { stroke: own, lineWidth: 3, opacity: 0.6 } });
    const points = [
      [mark, y - 7],
      [mark + 6, y],
      [mark, y + 7],
      [mark - 6, y],
    ];
    children.push({
      type: 'polygon',
      shape: { points },
      style: { fill: color.surface, stroke: color.ink, lineWidth: 1.5 },
    });
  }
  if (style === 'dot') {
    children.push({
      type: 'circle',
      shape: { cx: x, cy: y, r: 5 },
      style: { fill: own, stroke: color.surface, lineWidth: 1.5 },
    });
  }
  return { type: 'group', children };
}

function rowTooltip({ label, value, low, high, mark }: Row, axis: RowsSpec['axis'], markName = ''): string {
  const show = (figure: number) => formatWithUnit(figure, axis.unit);
  return tooltipMarkup(label, [
    [axis.name, show(value)],
    ...(low === null || high === null
      ? []
      : [['95% interval', formatInterval(low, high, styleOf(axis.unit, high))] as const]),
    ...(mark === undefined || mark === null ? [] : [[markName, show(mark)] as const]),
  ]);
}

import { axisUnit, formatWithUnit } from '../../words/format.js';
import { linearAxis } from '../axes.js';
import { baseOption, still } from '../base-option.js';
import { categorical, color, dashes, nth } from '../theme.js';
import { tooltipMarkup } from '../tooltip.js';
import type { ChartKind } from '../view.js';
import { drawBlock, type TimelineBlocks } from './timeline-block.js';

/** Requests per worker above, what the sensors read below, on one axis of time. Times in ns of the run. */
export interface TimelineSpec {
  kind: 'timeline';
  from: number;
  to: number;
  workers: string[];
  blocks: TimelineBlocks;
  panels: {
    name: string;
    unit: string;
    lines: { name: string; times: number[]; values: (number | null)[] }[];
  }[];
}

const [slot, panelHeight, gap, foot] = [24, 84, 44, 96];
const ganttHeight = ({ workers }: TimelineSpec) => Math.min(16, Math.max(1, workers.length)) * slot;

export const timeline: ChartKind<TimelineSpec> = {
  height: (spec) => 26 + ganttHeight(spec) + spec.panels.length * (panelHeight + gap) + foot,
  option(spec, view) {
    const base = baseOption(view, 'item');
    const tops = spec.panels.map((_, index) => 26 + ganttHeight(spec) + gap + index * (panelHeight + gap));
    const side = { left: 64, right: 20, outerBoundsMode: 'none' };
    const last = spec.panels.length;
    return {
      ...base,
      axisPointer: { link: [{ xAxisIndex: 'all' }], lineStyle: { color: color.muted } },
      grid: [
        { ...side, top: 26, height: ganttHeight(spec) },
        ...tops.map((top) => ({ ...side, top, height: panelHeight, tooltip: { trigger: 'axis' } })),
      ],
      tooltip: { ...(base.tooltip as object), formatter: (of: Hovered | Hovered[]) => describe(spec, of) },
      xAxis: [...spec.panels, null].map((_, index) => timeAxis(spec, index, index === last)),
      yAxis: [
        {
          ...linearAxis({ name: 'worker', format: String }, true),
          type: 'category',
          data: spec.workers,
          inverse: true,
          nameLocation: 'start',
          splitLine: { show: false },
        },
        ...spec.panels.map((panel, index) => valueAxis(panel, index + 1)),
      ],
      dataZoom: view.static ? [] : zoomBars(last + 1),
      series: [
        {
          type: 'custom',
          data: spec.blocks.from.map((from, index) => [
            from / 1e9,
            spec.blocks.to[index]! / 1e9,
            spec.blocks.worker[index]!,
            index,
          ]),
          encode: { x: [0, 1], y: 2 },
          renderItem: (params: never, api: never) => drawBlock(spec.blocks, params, api),
          z: 3,
          ...still,
        },
        ...spec.panels.flatMap(({ lines }, panel) =>
          lines.map((line, index) => lineSeries(line, panel + 1, index)),
        ),
      ],
    };
  },
};

function timeAxis({ from, to }: TimelineSpec, gridIndex: number, labelled: boolean) {
  const axis = linearAxis({
    name: labelled ? 'seconds into the run' : '',
    format: (value) => `${Number(value.toFixed(3))}`,
    min: from / 1e9,
    max: to / 1e9,
  });
  return {
    ...axis,
    gridIndex,
    axisLabel: { ...axis.axisLabel, show: labelled, showMinLabel: false, showMaxLabel: false },
  };
}

function valueAxis({ name, unit, lines }: TimelineSpec['panels'][number], gridIndex: number) {
  const largest = Math.max(...lines.flatMap(({ values }) => values.map((value) => value ?? 0)), 0);
  const { name: shown, per } = axisUnit(unit, largest);
  // The name carries the legend. Braces and bars would end its parts, and a name may hold any sign.
  const legend = lines.map(
    (line, index) => `  {l${index}|${sign(index)} ${line.name.replace(/[{}|]/g, ' ')}}`,
  );
  const axis = linearAxis(
    {
      name: `${name.replace(/[{}|]/g, ' ')}, ${shown}${legend.join('')}`,
      format: (value) => `${Number((value / per).toPrecision(4))}`,
    },
    true,
  );
  const rich = lines.map((_, index) => [`l${index}`, { color: nth(categorical, index), fontSize: 12 }]);
  return {
    ...axis,
    nameTextStyle: { ...axis.nameTextStyle, rich: Object.fromEntries(rich) },
    gridIndex,
    splitNumber: 2,
    min: unit === '°C' || unit === 'Hz' ? undefined : 0,
    scale: true,
  };
}

/** A line as text, broken where its dash is. */
function sign(index: number): string {
  return nth(dashes, index) === 'solid' ? '━━' : '╍╍';
}

function lineSeries(
  { name, times, values }: TimelineSpec['panels'][number]['lines'][number],
  axis: number,
  index: number,
) {
  return {
    type: 'line',
    name,
    xAxisIndex: axis,
    yAxisIndex: axis,
    data: times.map((time, i) => [time / 1e9, values[i] ?? null]),
    showSymbol: false,
    connectNulls: false,
    lineStyle: { color: nth(categorical, index), width: 1.5, type: nth(dashes, index) },
    itemStyle: { color: nth(categorical, index) },
    ...still,
  };
}

function zoomBars(axes: number) {
  const all = { xAxisIndex: [...Array(axes).keys()], filterMode: 'none' };
  return [
    {
      ...all,
      type: 'slider',
      bottom: 12,
      height: 22,
      left: 64,
      right: 20,
      showDataShadow: false,
      showDetail: false,
      brushSelect: false,
      borderColor: color.line,
      backgroundColor: 'transparent',
      fillerColor: color.grid,
      handleStyle: { color: color.surface, borderColor: color.muted },
      moveHandleStyle: { color: color.line },
      emphasis: {
        handleStyle: { color: color.surface, borderColor: color.ink },
        moveHandleStyle: { color: color.muted },
      },
    },
    // With Ctrl, as a page that a wheel cannot scroll is a trap.
    { ...all, type: 'inside', zoomOnMouseWheel: 'ctrl', moveOnMouseWheel: false },
  ];
}

interface Hovered {
  seriesIndex: number;
  seriesName: string;
  dataIndex: number;
  value: number[];
}

function describe(spec: TimelineSpec, hovered: Hovered | Hovered[]): string {
  if (Array.isArray(hovered)) {
    const unitOf = spec.panels.flatMap(({ unit, lines }) => lines.map(() => unit));
    return tooltipMarkup(
      `${formatWithUnit((hovered[0]?.value[0] ?? 0) * 1e9, 'ns')} into the run`,
      hovered.map(({ seriesName, seriesIndex, value }) => [
        seriesName,
        value[1] == null ? 'not read' : formatWithUnit(value[1], unitOf[seriesIndex - 1] ?? ''),
      ]),
    );
  }
  const { blocks, workers } = spec;
  const at = hovered.dataIndex;
  const [from, to, first] = [blocks.from[at]!, blocks.to[at]!, blocks.firstToken[at]];
  const time = (ns: number) => formatWithUnit(ns, 'ns');
  return tooltipMarkup(blocks.name[at]!, [
    ['worker', workers[blocks.worker[at]!]!],
    ['started', `${time(from)} into the run`],
    ...(first == null ? [] : [['first token after', time(first - from)] as const]),
    ['took', time(to - from)],
    ...(blocks.count[at]! > 1 ? [['requests', String(blocks.count[at]!)] as const] : []),
    ...(blocks.failed[at]! > 0 ? [['failed', String(blocks.failed[at]!)] as const] : []),
  ]);
}

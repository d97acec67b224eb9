import type { ChartOption } from './echarts.js';

/** The view that a chart is drawn for. */
export interface ChartView {
  /** Pixels. */
  width: number;
  height: number;
  /** The reader's choices in the chart's controls, by name. */
  choice: Readonly<Record<string, string>>;
  /** Without script: no zoom bars, no tooltips. */
  static: boolean;
}

/**
 * A kind of chart: a specification that is plain data, and pure functions of it. The page carries the
 * specification; server and page draw it with the same function. Specifications hold base units.
 */
export interface ChartKind<Spec> {
  height(spec: Spec, width: number): number;
  option(spec: Spec, view: ChartView): ChartOption;
}

/** Narrower than this is a phone. */
export function isNarrow({ width }: Pick<ChartView, 'width'>): boolean {
  return width < 560;
}

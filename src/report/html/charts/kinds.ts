import type { ChartOption } from '../echarts.js';
import type { ChartKind, ChartView } from '../view.js';
import { lorenz } from './lorenz.js';

/** Every kind of chart that a page may hold; a new one is a file here and a line in this table. */
export const chartKinds = { lorenz };

type SpecOf<Kind> = Kind extends ChartKind<infer Spec> ? Spec : never;
export type ChartSpec = {
  [Name in keyof typeof chartKinds]: SpecOf<(typeof chartKinds)[Name]>;
}[keyof typeof chartKinds];

export function optionOf(spec: ChartSpec, view: ChartView): ChartOption {
  return (chartKinds[spec.kind] as ChartKind<ChartSpec>).option(spec, view);
}

export function heightOf(spec: ChartSpec, width: number): number {
  return (chartKinds[spec.kind] as ChartKind<ChartSpec>).height(spec, width);
}

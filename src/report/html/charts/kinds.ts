import type { ChartOption } from '../echarts.js';
import type { ChartKind, ChartView } from '../view.js';
import { distribution } from './distribution.js';
import { lorenz } from './lorenz.js';
import { roofline } from './roofline.js';
import { rows } from './rows.js';
import { scatter } from './scatter.js';
import { timeline } from './timeline.js';
import { waterfall } from './waterfall.js';

/** Every kind of chart that a page may hold; a new one is a file here and a line in this table. */
const chartKinds = { distribution, lorenz, roofline, rows, scatter, timeline, waterfall };

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

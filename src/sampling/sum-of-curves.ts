import type { Nanoseconds } from '../core/units.js';
import { type CumulativeCurve, checkWindow } from './window.js';

/** The use of several devices as if they were one: known where all of them are. */
export function sumOfCurves(curves: readonly CumulativeCurve[]): CumulativeCurve {
  const method = curves.every((curve) => curve.method === 'counter') ? 'counter' : 'power-integral';
  const at = (timeNs: Nanoseconds) => added(curves.map((curve) => curve.at(timeNs)));
  return {
    method,
    averagedOverNs: Math.max(...curves.map(({ averagedOverNs }) => averagedOverNs)),
    known: curves.map(({ known }) => known).reduce(overlapOf),
    at,
    window(startNs, endNs) {
      checkWindow(startNs, endNs);
      const sum = { value: 0, low: 0, high: 0, readings: Number.POSITIVE_INFINITY };
      for (const curve of curves) {
        const figure = curve.window(startNs, endNs);
        if (figure.value === null) return figure;
        sum.value += figure.value;
        sum.low += figure.low;
        sum.high += figure.high;
        // As sharp as the least sharp of them.
        sum.readings = Math.min(sum.readings, figure.readings);
      }
      return { ...sum, method };
    },
  };
}

type Spans = CumulativeCurve['known'];

function overlapOf(one: Spans, other: Spans): Spans {
  return one.flatMap(({ startNs, endNs }) =>
    other.flatMap((span) => {
      const [from, to] = [Math.max(startNs, span.startNs), Math.min(endNs, span.endNs)];
      return to > from ? [{ startNs: from, endNs: to }] : [];
    }),
  );
}

function added(values: readonly (number | null)[]): number | null {
  return values.reduce((sum, value) => (sum === null || value === null ? null : sum + value), 0);
}

import type { ChartOption } from './echarts.js';
import { color, lineSign } from './theme.js';
import type { ChartView } from './view.js';

/** Measured by the browser with this font, which the page shows. */
export const fontFamily = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

/** Options that all charts have in common. `trigger`: the thing that a tooltip speaks of. */
export function baseOption(view: ChartView, trigger: 'item' | 'axis' | 'none'): ChartOption {
  return {
    animation: false,
    backgroundColor: 'transparent',
    textStyle: { fontFamily, color: color.ink },
    tooltip: {
      show: !view.static && trigger !== 'none',
      trigger: trigger === 'none' ? 'item' : trigger,
      confine: true,
      className: 'tip',
      backgroundColor: color.surface,
      borderColor: color.line,
      borderWidth: 1,
      padding: [8, 12],
      textStyle: { color: color.ink, fontSize: 13 },
      transitionDuration: 0,
      extraCssText: 'white-space: normal',
    },
  };
}

/** Text beside a line or a mark. */
export function noteText(text: string, more: Record<string, unknown> = {}) {
  return { show: true, formatter: text.replace(/[{}]/g, ''), color: color.ink, fontSize: 12, ...more };
}

/** Keeps lines and marks as they are under the pointer: brightening needs colours that can be computed with. */
export const still = { emphasis: { disabled: true } };

/** Above the plot, on the left; `lines` are the names of lines among them. */
export function legendOption(names: readonly string[], lines: readonly string[] = []) {
  return {
    data: names.map((name) => (lines.includes(name) ? { name, icon: lineSign } : { name })),
    type: 'plain',
    top: 0,
    left: 0,
    itemGap: 14,
    itemWidth: 14,
    itemHeight: 10,
    inactiveColor: color.line,
    textStyle: { color: color.ink, fontSize: 12 },
  };
}

import type { ChartOption } from './echarts.js';
import { color } from './theme.js';
import type { ChartView } from './view.js';

/** Measured by the browser with this font, which the page shows. */
const fontFamily = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

/** What all charts have in common. `trigger`: what a tooltip speaks of. */
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
    },
  };
}

/** Text beside a line or a mark. */
export function noteText(text: string, more: Record<string, unknown> = {}) {
  return { show: true, formatter: text.replace(/[{}]/g, ''), color: color.ink, fontSize: 12, ...more };
}

/** Keeps lines and marks as they are under the pointer: brightening needs colours that can be computed with. */
export const still = { emphasis: { disabled: true } };

export function legendOption(names: readonly string[], more: Record<string, unknown> = {}) {
  return {
    data: names.map((name) => ({ name })),
    type: 'plain',
    top: 0,
    right: 0,
    icon: undefined,
    itemWidth: 14,
    itemHeight: 10,
    inactiveColor: color.line,
    textStyle: { color: color.ink, fontSize: 12 },
    ...more,
  };
}

import type { EChartsType } from 'echarts/core';

interface ZoomRange {
  start: number;
  end: number;
}

const steps: Record<string, (range: ZoomRange) => ZoomRange> = {
  in: ({ start, end }) => ({ start: start + (end - start) / 4, end: end - (end - start) / 4 }),
  out: ({ start, end }) => ({ start: start - (end - start) / 2, end: end + (end - start) / 2 }),
  left: ({ start, end }) => shifted(start, end, -(end - start) / 2),
  right: ({ start, end }) => shifted(start, end, (end - start) / 2),
  reset: () => ({ start: 0, end: 100 }),
};

/** Buttons that do what wheel and drag do. */
export function addZoom(figure: HTMLElement, chart: EChartsType): void {
  for (const button of figure.querySelectorAll<HTMLButtonElement>('[data-zoom]')) {
    button.addEventListener('click', () => {
      const [zoom] = (chart.getOption() as { dataZoom?: ZoomRange[] }).dataZoom ?? [];
      const next = steps[button.dataset.zoom!]?.(zoom ?? { start: 0, end: 100 });
      if (next === undefined) return;
      chart.dispatchAction({
        type: 'dataZoom',
        start: Math.max(0, next.start),
        end: Math.min(100, next.end),
      });
    });
  }
}

function shifted(start: number, end: number, by: number): ZoomRange {
  const within = Math.max(-start, Math.min(100 - end, by));
  return { start: start + within, end: end + within };
}

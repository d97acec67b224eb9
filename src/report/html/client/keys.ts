import type { EChartsType } from 'echarts/core';

interface SeriesOption {
  data?: unknown[];
  silent?: boolean;
}

/** Arrow keys step through a focused chart's points and speak their tooltips; Escape leaves them. */
export function answerKeys(plot: HTMLElement, figure: HTMLElement, chart: EChartsType): void {
  let at = -1;
  const spoken = figure.querySelector<HTMLElement>('.spoken');
  const speak = () => {
    const tip = plot.querySelector<HTMLElement>('.tip');
    if (spoken && tip) spoken.textContent = tip.textContent;
  };
  plot.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === 'Escape') {
      at = -1;
      chart.dispatchAction({ type: 'hideTip' });
      return;
    }
    if (step === undefined) return;
    event.preventDefault();
    const points = pointsOf(chart);
    if (points.length === 0) return;
    at = (at + step + points.length) % points.length;
    chart.dispatchAction({ type: 'showTip', ...points[at]! });
    speak();
  });
  plot.addEventListener('blur', () => chart.dispatchAction({ type: 'hideTip' }));
}

function pointsOf(chart: EChartsType): { seriesIndex: number; dataIndex: number }[] {
  const { series = [] } = chart.getOption() as { series?: SeriesOption[] };
  return series.flatMap(({ data = [], silent }, seriesIndex) =>
    silent ? [] : data.map((_, dataIndex) => ({ seriesIndex, dataIndex })),
  );
}

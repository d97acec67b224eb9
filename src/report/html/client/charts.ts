import { type ChartSpec, heightOf, optionOf } from '../charts/kinds.js';
import { echarts } from '../echarts.js';
import { isNarrow } from '../view.js';
import { answerKeys } from './keys.js';
import { addZoom } from './zoom.js';

interface Drawn {
  draw(): void;
}

const drawn = new WeakMap<Element, Drawn>();

/** Draws each chart when it comes near the window, and again when its width changes. */
export function hydrateCharts(): void {
  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        hydrate(target as HTMLElement);
      }
    },
    { rootMargin: '400px' },
  );
  for (const plot of document.querySelectorAll('.plot')) near.observe(plot);
}

/** Redraws a chart when its reader chooses something in its controls. */
export function followChoices(): void {
  document.addEventListener('change', ({ target }) => {
    if (!(target instanceof HTMLSelectElement) || target.dataset.choice === undefined) return;
    const plot = target.closest('.chart')?.querySelector('.plot');
    if (plot) drawn.get(plot)?.draw();
  });
}

function hydrate(plot: HTMLElement): void {
  const figure = plot.closest<HTMLElement>('.chart')!;
  const spec = JSON.parse(figure.querySelector(':scope > script')!.textContent!) as ChartSpec;
  let width = plot.clientWidth;
  const size = () => ({ width, height: heightOf(spec, width) });
  plot.style.height = `${size().height}px`;
  plot.replaceChildren();
  const chart = echarts.init(plot, null, { renderer: 'svg', ...size() });
  // Paper has another width than the screen, and the drawing is to shrink with it.
  const makeScalable = () => {
    const svg = plot.querySelector('svg');
    svg?.setAttribute('viewBox', `0 0 ${size().width} ${size().height}`);
  };
  const draw = () => {
    chart.setOption(optionOf(spec, { ...size(), choice: choicesIn(figure), static: false }), {
      notMerge: true,
    });
    makeScalable();
    figure.dataset.drawn = 'true';
  };
  draw();
  drawn.set(plot, { draw });
  answerKeys(plot, figure, chart);
  addZoom(figure, chart);
  new ResizeObserver(() => {
    const now = plot.clientWidth;
    if (now === 0 || now === width) return;
    const changesLayout = isNarrow({ width: now }) !== isNarrow({ width });
    width = now;
    plot.style.height = `${size().height}px`;
    chart.resize(size());
    makeScalable();
    if (changesLayout) draw();
  }).observe(plot);
}

function choicesIn(figure: HTMLElement): Record<string, string> {
  const selects = [...figure.querySelectorAll<HTMLSelectElement>('select[data-choice]')];
  return Object.fromEntries(selects.map((select) => [select.dataset.choice!, select.value]));
}

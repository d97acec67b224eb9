import { type ChartSpec, heightOf, optionOf } from './charts/kinds.js';
import { echarts } from './echarts.js';
import { Html } from './html.js';

/**
 * A chart as static SVG, for readers without script and for paper. ECharts writes style attributes, a style
 * element and hover classes, which the page's policy forbids or which only its script needs: styles become
 * attributes, the rest goes. Ids get the chart's own, as each drawing counts from 0.
 */
export function staticSvg(spec: ChartSpec, id: string, width: number): Html {
  const height = heightOf(spec, width);
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption(optionOf(spec, { width, height, choice: {}, static: true }));
    const svg = chart.renderToSVGString();
    return new Html(
      svg
        .replace(/<style\s*>[\s\S]*?<\/style>/g, '')
        .replace(/ (?:class|ecmeta_\w+)="[^"]*"/g, '')
        .replace(/ style="([^"]*)"/g, (_, style: string) => attributesOf(style))
        .replace(/(\bid="|url\(#|href="#)zr\d+-/g, `$1${id}-`)
        .replace('<svg ', '<svg aria-hidden="true" '),
    );
  } finally {
    // ECharts keeps a timer for each chart, which would keep the process alive.
    chart.dispose();
  }
}

/** The font is the page's; of the rest only what differs from it. */
function attributesOf(style: string): string {
  const size = /(?:font-size:|\s)(\d+(?:\.\d+)?)px/.exec(style)?.[1];
  const weight = /(?:font-weight:|font: \w+ )(bold|[5-9]00)/.exec(style)?.[1];
  return `${size ? ` font-size="${size}"` : ''}${weight ? ` font-weight="${weight}"` : ''}`;
}

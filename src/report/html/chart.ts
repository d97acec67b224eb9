import type { ShownColumn } from '../tables/table.js';
import type { ChartSpec } from './charts/kinds.js';
import { type Html, html, inlineJson, type Part } from './html.js';
import { staticSvg } from './static-svg.js';
import { htmlTable } from './table.js';
import { explained } from './words.js';

export interface Chart {
  /** Unique in the page; letters, digits and hyphens. */
  id: string;
  spec: ChartSpec;
  /** The chart in a sentence, for those who cannot see it. */
  label: string;
  /** Words in it are explained where it is a text of this program, without names from a result. */
  caption?: Part;
  /** The numbers that it draws. */
  table: readonly ShownColumn[];
  /** Choices of the reader; the first option is drawn at first. */
  choices?: { name: string; label: string; options: readonly { value: string; label: string }[] }[];
  /** Whether it has a horizontal axis to zoom along; adds buttons, as a wheel is no keyboard. */
  zoom?: boolean;
  /** Pixels that it is drawn for where no script runs. */
  width?: number;
  /** Left out where the chart is not the one shown at first. */
  drawn?: boolean;
}

/** A chart with its caption, its controls and its numbers as a table. */
export function renderChart(chart: Chart): Html {
  const { id, spec, label, caption, table, choices = [], zoom = false, width = 960, drawn = true } = chart;
  return html`<figure class="chart" id="${id}">
${caption && html`<figcaption>${typeof caption === 'string' ? explained(caption) : caption}</figcaption>`}
${(choices.length > 0 || zoom) && html`<div class="controls">${choices.map((choice) => chooser(id, choice))}${zoom && zoomButtons}</div>`}
<div class="plot" tabindex="0" role="img" aria-label="${label}">${drawn && staticSvg(spec, id, width)}</div>
<p class="spoken" aria-live="polite"></p>
<details><summary>Numbers</summary>${htmlTable(table, label)}</details>
<script type="application/json">${inlineJson(spec)}</script>
</figure>`;
}

function chooser(id: string, { name, label, options }: NonNullable<Chart['choices']>[number]): Html {
  return html`<label for="${id}-${name}">${label} <select id="${id}-${name}" data-choice="${name}">${options.map(
    (option) => html`<option value="${option.value}">${option.label}</option>`,
  )}</select></label>`;
}

const zoomButtons = html`<span class="zoom" role="group" aria-label="Zoom">${[
  ['out', '−', 'Zoom out'],
  ['in', '+', 'Zoom in'],
  ['left', '←', 'Earlier'],
  ['right', '→', 'Later'],
  ['reset', 'All', 'Show all'],
].map(
  ([what, sign, label]) =>
    html`<button type="button" data-zoom="${what}" aria-label="${label}" title="${label}">${sign}</button>`,
)}</span>`;

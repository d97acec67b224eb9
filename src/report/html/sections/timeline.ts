import type { Timeline } from '../../../core/result.js';
import { channelsTable } from '../../tables/run.js';
import { columnsOf } from '../../tables/table.js';
import { capitalized, formatCount, formatDuration } from '../../words/format.js';
import { cellName, quantityName } from '../../words/names.js';
import { recordingNotice } from '../../words/recording.js';
import { renderChart } from '../chart.js';
import type { TimelineSpec } from '../charts/timeline.js';
import { type Html, html } from '../html.js';
import type { PageContext, Section } from '../page-context.js';
import { htmlTable } from '../table.js';
import { evenly, short } from '../thin.js';
import { blocksOf, mostWorkers } from '../timeline-blocks.js';

const mostSamples = 600;
/** Lines that one panel keeps apart. */
const mostLines = 6;

/** When each request ran on which worker, and what the sensors read meanwhile. */
export function timelineSection({ result, findings, id }: PageContext): Section | null {
  const workers = [...new Set(result.requests.map(({ worker }) => worker))].sort((a, b) => a - b);
  const shown = workers.slice(0, mostWorkers);
  const { blocks, merged } = blocksOf(result.requests, shown, (cell) =>
    cellName(cell, findings.workload.models),
  );
  if (blocks.from.length === 0) return null;
  const timeline = [...(result.timeline ?? [])].sort((a, b) => rankOf(a) - rankOf(b));
  const still = timeline.filter(
    ({ values }) => values.includes(0) && values.every((value) => value === 0 || value === null),
  );
  const panels = panelsOf(timeline.filter((channel) => !still.includes(channel)));
  const times = [
    ...blocks.from,
    ...blocks.to,
    ...panels.flatMap(({ lines }) => lines.flatMap((line) => line.times)),
  ];
  const from = times.reduce((least, time) => Math.min(least, time), Number.POSITIVE_INFINITY);
  const to = times.reduce((most, time) => Math.max(most, time), Number.NEGATIVE_INFINITY);
  const notes = [
    'A request is solid up to its first token and pale from there to its last; a failed one is hollow.',
    merged && 'Requests too close to be told apart are drawn as one block that says how many they are.',
    shown.length < workers.length && `The first ${shown.length} of ${workers.length} workers.`,
    recordingNotice(result) ?? false,
    still.length > 0 &&
      `Always 0: ${still.map(({ device, quantity }) => `${device} ${quantityName(quantity)}`).join(', ')}.`,
    timeline.length === 0 && 'No sensor was sampled during this run.',
  ];
  return {
    name: 'timeline',
    short: 'Time line',
    title: 'The run as it happened',
    folded: `each request on its worker${panels.length > 0 ? `, ${panels.length === 1 ? '1 strip' : `${panels.length} strips`} of what sensors read` : ''}`,
    body: html`${renderChart({
      id: id('timeline'),
      zoom: true,
      label: `Time line: ${formatCount(result.requests.length, 'request')} on ${formatCount(workers.length, 'worker')}, ${formatDuration(to - from)}`,
      caption: html`${notes.filter((note) => note !== false).join(' ')} <span class="hint">Drag the bar below, use the buttons, or Ctrl and wheel to zoom.</span>`,
      spec: { kind: 'timeline', from, to, workers: shown.map(String), blocks, panels },
      table: blockTable(blocks, shown),
    })}${channels(timeline)}`,
  };
}

function blockTable(blocks: TimelineSpec['blocks'], workers: readonly number[]) {
  const table = columnsOf(evenly([...blocks.from.keys()], 200));
  const time = { show: formatDuration };
  return [
    table.text('what', (i) => blocks.name[i]!),
    table.number('worker', (i) => workers[blocks.worker[i]!]!, { show: String }),
    table.number('started', (i) => blocks.from[i]!, time),
    table.number('first token', (i) => blocks.firstToken[i] ?? null, time),
    table.number('ended', (i) => blocks.to[i]!, time),
    table.number('failed', (i) => blocks.failed[i]!, { show: String }),
  ];
}

/** Power and accelerators first, then this process, then the rest of the machine. */
function rankOf({ device, unit }: Timeline): number {
  if (unit === 'W') return 0;
  if (device === 'system') return 3;
  return device === 'process' ? 2 : 1;
}

/** Channels of one quantity and unit share a panel, as they share its axis. */
function panelsOf(timeline: readonly Timeline[]): TimelineSpec['panels'] {
  const panels = new Map<string, TimelineSpec['panels'][number]>();
  for (const { quantity, unit, device, timesNs, values } of timeline) {
    const key = JSON.stringify([quantity, unit]);
    const panel = panels.get(key) ?? { name: panelName(quantity, unit), unit, lines: [] };
    panels.set(key, panel);
    if (panel.lines.length >= mostLines) continue;
    const kept = evenly([...timesNs.keys()], mostSamples);
    panel.lines.push({
      name: device,
      times: kept.map((i) => timesNs[i]!),
      values: kept.map((i) => (values[i] == null ? null : short(values[i]!))),
    });
  }
  return [...panels.values()];
}

/** A counter's rate goes by what it is: joules per second are power. */
function panelName(quantity: string, unit: string): string {
  return unit === 'W' ? 'Power' : capitalized(quantityName(quantity));
}

function channels(timeline: readonly Timeline[]): Html | null {
  if (timeline.length === 0) return null;
  const { title, columns } = channelsTable(timeline);
  return html`<details><summary>${title}</summary>${htmlTable(columns, title)}</details>`;
}

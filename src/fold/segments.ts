import type { Nanoseconds } from '../core/units.js';
import type { JournalEntry } from '../journal/entry.js';
import { cpuTimeOf, endOf, type MeasuredRun, type Preparation } from '../journal/measured-run.js';
import { unpackSamples } from '../journal/samples.js';
import type { BusySpan, RequestRun, RunPart, Segment, Span } from '../sampling/attribution/segment.js';
import { SeriesStore } from '../sampling/series.js';

/** The segments of a journal in which the machine was sampled. Of two rows of a request the first counts. */
export function sampledSegments(entries: Iterable<JournalEntry>): Segment[] {
  const segments: Segment[] = [];
  const seen = new Set<number>();
  let current: Draft | null = null;
  const finish = () => {
    if (current) segments.push(current.finished());
    current = null;
  };
  for (const entry of entries) {
    if (entry.kind === 'resumed') finish();
    else if (entry.kind === 'sampling') {
      finish();
      current = new Draft(entry);
    } else if (entry.kind === 'request') {
      const isFirst = !seen.has(entry.row.id);
      seen.add(entry.row.id);
      if (isFirst) current?.add(entry);
    } else current?.add(entry);
  }
  finish();
  return segments;
}

class Draft {
  readonly #store = new SeriesStore();
  readonly #segment: Segment;
  #startedNs: Nanoseconds | null = null;
  #endedNs: Nanoseconds | null = null;
  #lastNs = 0;

  constructor({ sensors, recorded }: Extract<JournalEntry, { kind: 'sampling' }>) {
    this.#segment = {
      sensors,
      recorded,
      series: ({ id }) => this.#store.of(id),
      idleBefore: null,
      idleAfter: null,
      measured: null,
      requests: [],
      alone: [],
      pairs: [],
      cost: null,
      warnings: [],
    };
  }

  add(entry: JournalEntry): void {
    const segment = this.#segment;
    switch (entry.kind) {
      case 'samples': {
        const samples = unpackSamples(entry.series);
        this.#store.add(samples);
        for (const { timeNs } of samples) this.#lastNs = Math.max(this.#lastNs, timeNs);
        return;
      }
      case 'span': {
        const { of, fromNs, toNs } = entry;
        if (of === 'measuring') this.#startedNs = fromNs;
        else if (toNs !== null) {
          segment[of === 'idle-before' ? 'idleBefore' : 'idleAfter'] = { startNs: fromNs, endNs: toNs };
        }
        return;
      }
      case 'request': {
        const run = runOf(entry);
        if (run) segment.requests.push(run);
        return;
      }
      case 'alone':
        segment.alone.push({
          cell: entry.cell,
          spans: entry.runs.map(spanOf),
          cpuNs: cpuTimeOf(entry.runs),
        });
        return;
      case 'pair':
        segment.pairs.push({
          cells: entry.cells,
          spans: [spanOf(entry.run)],
          cpuNs: cpuTimeOf([entry.run]),
        });
        return;
      case 'ended':
        this.#endedNs = entry.atNs;
        return;
      case 'sampled':
        segment.cost = entry.cost;
        segment.warnings = entry.warnings;
    }
  }

  finished(): Segment {
    const startNs = this.#startedNs;
    // A process that was killed measured until its last sample.
    const endNs = this.#endedNs ?? this.#lastNs;
    return { ...this.#segment, measured: startNs !== null && endNs > startNs ? { startNs, endNs } : null };
  }
}

function runOf(entry: Extract<JournalEntry, { kind: 'request' }>): RequestRun | null {
  const { row, endedNs, runs } = entry;
  const { id } = row;
  const startNs = row.times?.started;
  if (startNs === undefined) return null; // It never reached a worker.
  const preparations = (entry.preparations ?? []).map(preparationSpan);
  if (!('stages' in row)) {
    const endNs = endedNs ?? row.times?.lastToken ?? startNs;
    if (endNs <= startNs) return null;
    const part = { stage: null, startNs, endNs, cpuNs: null, gpuNs: null };
    return { id, spans: [part], cpuNs: null, parts: [part], preparations };
  }
  const { stages, times, work } = row;
  if (runs) {
    const alike = runs.every(({ endsNs }) => endsNs.length === stages.length);
    const parts = runs.flatMap((run) => partsOf(run, alike));
    return { id, spans: runs.map(spanOf), cpuNs: cpuTimeOf(runs), parts, preparations };
  }
  const endNs = Math.max(times.lastToken, ...stages.map((stage) => stage.times.ended));
  if (endNs <= startNs) return null;
  const whole = { stage: null, startNs, endNs, cpuNs: work.cpuTime, gpuNs: work.gpuTime };
  const parts = stages.map((stage, index) => ({
    stage: index,
    startNs: stage.times.started,
    endNs: stage.times.ended,
    cpuNs: stage.work.cpuTime ?? null,
    gpuNs: stage.work.gpuTime ?? null,
  }));
  return {
    id,
    spans: [{ startNs, endNs }],
    cpuNs: work.cpuTime,
    parts: parts.length > 0 ? parts.filter((part) => part.endNs > part.startNs) : [whole],
    preparations,
  };
}

const spanOf = (run: MeasuredRun): Span => ({ startNs: run.startedNs, endNs: endOf(run) });

const preparationSpan = ({ startedNs, endedNs, cpuNs }: Preparation): BusySpan => ({
  startNs: startedNs,
  endNs: endedNs,
  cpuNs,
  gpuNs: null,
});

/** The stages of one time that a request ran. */
function partsOf({ startedNs, endsNs, cpuNs }: MeasuredRun, hasStages: boolean): RunPart[] {
  return endsNs.flatMap((endNs, index) => {
    const startNs = endsNs[index - 1] ?? startedNs;
    if (endNs <= startNs) return [];
    return [{ stage: hasStages ? index : null, startNs, endNs, cpuNs: cpuNs[index] ?? null, gpuNs: null }];
  });
}

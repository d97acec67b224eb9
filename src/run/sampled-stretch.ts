import type { Warning } from '../core/result.js';
import type { SamplerCost } from '../core/sampling-record.js';
import type { Nanoseconds } from '../core/units.js';
import { type Series, SeriesStore } from '../sampling/series.js';
import type { JournalEntry } from './journal-entry.js';
import {
  type PlayedSession,
  type SampledChannel,
  type SampledSensor,
  unpackSamples,
} from './journal-samples.js';

export interface Span {
  startNs: Nanoseconds;
  endNs: Nanoseconds;
}

/** A stage of a request, or all of a request of which no stages are known. */
interface RunPart extends Span {
  /** Its place in the row's stages. */
  stage: number | null;
  cpuNs: Nanoseconds | null;
  gpuNs: Nanoseconds | null;
}

/** The time in which a request ran, once or several times in a row. */
export interface RequestRun extends Span {
  id: number;
  runs: number;
  /** Over all its runs; null where it was not measured or it failed. */
  cpuNs: Nanoseconds | null;
  parts: RunPart[];
}

export interface AloneRun extends Span {
  cell: string;
  runs: number;
  cpuNs: Nanoseconds | null;
}

/** What one process sampled, beside which requests. */
export interface SampledStretch {
  sensors: readonly SampledSensor[];
  recorded: PlayedSession | null;
  series(channel: SampledChannel): Series;
  idleBefore: Span | null;
  idleAfter: Span | null;
  /** From the first request's start to the last one's end; null where nothing was measured. */
  measured: Span | null;
  requests: RequestRun[];
  alone: AloneRun[];
  cost: SamplerCost | null;
  warnings: readonly Warning[];
}

/** The stretches of a journal in which the machine was sampled. Of two rows of a request the first counts. */
export function sampledStretches(entries: readonly JournalEntry[]): SampledStretch[] {
  const stretches: SampledStretch[] = [];
  const seen = new Set<number>();
  let current: Draft | null = null;
  const finish = () => {
    if (current) stretches.push(current.finished());
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
  return stretches;
}

class Draft {
  readonly #store = new SeriesStore();
  readonly #stretch: SampledStretch;
  #startedNs: Nanoseconds | null = null;
  #endedNs: Nanoseconds | null = null;
  #lastNs = 0;

  constructor({ sensors, recorded }: Extract<JournalEntry, { kind: 'sampling' }>) {
    this.#stretch = {
      sensors,
      recorded,
      series: ({ id }) => this.#store.of(id),
      idleBefore: null,
      idleAfter: null,
      measured: null,
      requests: [],
      alone: [],
      cost: null,
      warnings: [],
    };
  }

  add(entry: JournalEntry): void {
    const stretch = this.#stretch;
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
          stretch[of === 'idle-before' ? 'idleBefore' : 'idleAfter'] = { startNs: fromNs, endNs: toNs };
        }
        return;
      }
      case 'request': {
        const run = runOf(entry);
        if (run) stretch.requests.push(run);
        return;
      }
      case 'alone':
        stretch.alone.push({
          cell: entry.cell,
          startNs: entry.startedNs,
          endNs: entry.endedNs,
          runs: entry.runs,
          cpuNs: entry.cpuTimeNs,
        });
        return;
      case 'ended':
        this.#endedNs = entry.atNs;
        return;
      case 'sampled':
        stretch.cost = entry.cost;
        stretch.warnings = entry.warnings;
    }
  }

  finished(): SampledStretch {
    const startNs = this.#startedNs;
    // A process that was killed measured until its last sample.
    const endNs = this.#endedNs ?? this.#lastNs;
    return { ...this.#stretch, measured: startNs !== null && endNs > startNs ? { startNs, endNs } : null };
  }
}

function runOf({ row, endedNs, window }: Extract<JournalEntry, { kind: 'request' }>): RequestRun | null {
  const startNs = row.times?.started;
  if (startNs === undefined) return null; // It never reached a worker.
  if (!('stages' in row)) {
    const endNs = endedNs ?? row.times?.lastToken ?? startNs;
    if (endNs <= startNs) return null;
    const part = { stage: null, startNs, endNs, cpuNs: null, gpuNs: null };
    return { id: row.id, startNs, endNs, runs: 1, cpuNs: null, parts: [part] };
  }
  const { id, stages, times, work } = row;
  if (window) {
    const { endedNs: endNs, runs, cpuTimeNs: cpuNs } = window;
    return { id, startNs, endNs, runs, cpuNs, parts: [{ stage: null, startNs, endNs, cpuNs, gpuNs: null }] };
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
    startNs,
    endNs,
    runs: 1,
    cpuNs: work.cpuTime,
    parts: parts.length > 0 ? parts.filter((part) => part.endNs > part.startNs) : [whole],
  };
}

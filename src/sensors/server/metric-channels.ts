import type { Nanoseconds } from '../../core/units.js';
import type { Absence } from '../absence.js';
import { MonotonicCounter } from '../monotonic-counter.js';
import type { Channel, MissingChannel } from '../sensor.js';
import type { PrometheusReading, PrometheusSample } from './prometheus-text.js';
import {
  type GpuFigure,
  gpuFigures,
  ownCpuTime,
  rankLabels,
  type ServerFigure,
  type ServerMetrics,
  serverMetrics,
} from './server-figures.js';

/** A reading with its GPUs by device; an answer may hold thousands of samples, each is looked at once. */
export interface MetricView {
  reading: PrometheusReading;
  gpus: ReadonlyMap<string, GpuView>;
}

interface GpuView {
  /** The exporter's number of it. */
  number: string;
  split: boolean;
  values: Map<string, number>;
}

/** A channel that is read from the text of each scrape. */
export interface MetricChannel {
  channel: Channel;
  /** `NaN` where the text does not tell. `anew`: the server has started again, and counts from 0. */
  read(view: MetricView, atNs: Nanoseconds, anew: boolean): number;
}

export interface MetricChannels {
  channels: MetricChannel[];
  missing: MissingChannel[];
}

export interface ChannelNames {
  /** The device that counters of the server itself are of. */
  device: string;
  /** The GPUs that the server runs on, by the exporter's numbers of them; all of them where it is not said. */
  gpus: readonly string[] | undefined;
}

const mostGpus = 64;

/** The channels of what an address shows, told by what it showed once; or why it has none. */
export function channelsOf(view: MetricView, names: ChannelNames): MetricChannels | Absence {
  const { reading } = view;
  const shown = [...reading.declared];
  const servers = serverMetrics.filter(({ prefix }) => shown.some((name) => name.startsWith(prefix)));
  const parts = servers.map((server) => serverChannels(server, reading, names.device));
  const gpus = [...view.gpus].filter(([, { number }]) => names.gpus?.includes(number) ?? true);
  if (servers.length === 0 && gpus.length === 0 && view.gpus.size > 0) {
    return {
      reason: 'not-applicable',
      hint: 'Its GPUs are read on this machine, or are not those of the server.',
    };
  }
  if (gpus.length > mostGpus) {
    const hint = `It shows ${gpus.length} GPUs, more than one machine has; give the address of the exporter beside the server.`;
    return { reason: 'unsupported', hint };
  }
  parts.push(...gpus.map(([device, gpu]) => gpuChannels(device, gpu)));
  parts.push(ownCpu(reading, servers, view.gpus.size > 0, names.device));
  const channels = parts.flatMap((part) => part.channels);
  const missing = parts.flatMap((part) => part.missing);
  if (channels.length > 0) return { channels, missing };
  return (
    missing[0] ?? {
      reason: 'unsupported',
      hint: 'It shows nothing that is known of vLLM, SGLang, llama.cpp or the DCGM exporter; some servers show their counters only after a first request.',
    }
  );
}

function serverChannels(
  { server, figures }: ServerMetrics,
  reading: PrometheusReading,
  device: string,
): MetricChannels {
  const channels: MetricChannel[] = [];
  const missing: MissingChannel[] = [];
  for (const quantity of new Set(figures.map((figure) => figure.quantity))) {
    const candidates = figures.filter((figure) => figure.quantity === quantity);
    const figure =
      candidates.find(({ sample }) => reading.declared.has(sample)) ?? candidates.find(({ late }) => late);
    if (figure) channels.push(serverChannel(figure, device));
    else {
      const hint = `This ${server} shows no ${candidates.map(({ sample }) => sample).join(' or ')}.`;
      missing.push({ device, quantity, reason: 'unsupported', hint });
    }
  }
  return { channels, missing };
}

function serverChannel(figure: ServerFigure, device: string): MetricChannel {
  const { quantity, unit, kind, scale, sample } = figure;
  const channel: Channel = { quantity, device, unit, kind };
  const raw = (reading: PrometheusReading) => combine(reading.samples.get(sample) ?? [], figure);
  if (kind === 'gauge') {
    return { channel, read: ({ reading }) => bounded(raw(reading) * scale, unit === 'ratio' ? 1 : Infinity) };
  }
  const counter = new ChangingCounter(scale, Number.POSITIVE_INFINITY);
  return { channel, read: ({ reading }, atNs, anew) => counter.next(raw(reading), atNs, anew) };
}

/**
 * A server's figure over its engines, models and processes: their sum, of shares their mean. Of ranks, which count the
 * same requests each, the one that has counted most.
 */
function combine(samples: readonly PrometheusSample[], { where, unit }: ServerFigure): number {
  const groups = new Map<string, number>();
  for (const { labels, value } of samples) {
    if (where && labels.get(where[0]) !== where[1]) continue;
    const own = [...labels].filter(([name]) => !rankLabels.has(name)).sort(([a], [b]) => (a < b ? -1 : 1));
    const key = JSON.stringify(own);
    const known = groups.get(key);
    groups.set(key, known === undefined ? value : Math.max(known, value));
  }
  if (groups.size === 0) return Number.NaN;
  const sum = [...groups.values()].reduce((total, value) => total + value, 0);
  return unit === 'ratio' ? sum / groups.size : sum;
}

const bounded = (value: number, most: number): number =>
  value >= 0 && value <= most && Number.isFinite(value) ? value : Number.NaN;

/** A counter that is shown more often than it is brought up to date: its growth is over the time since it moved last. */
class ChangingCounter {
  readonly #counter: MonotonicCounter;
  #raw = Number.NaN;
  #total = Number.NaN;

  constructor(scale: number, mostPerSecond: number) {
    this.#counter = new MonotonicCounter({ largest: null, scale, mostPerSecond });
  }

  next(raw: number, atNs: Nanoseconds, anew: boolean): number {
    if (anew) this.#counter.next(Number.NaN, atNs);
    else if (raw === this.#raw) return this.#total;
    this.#raw = raw;
    const total = this.#counter.next(raw, atNs);
    // After a gap the same reading goes on from where it was.
    this.#total = Number.isNaN(total) && Number.isFinite(raw) ? this.#counter.next(raw, atNs) : total;
    return anew ? Number.NaN : total;
  }
}

function ownCpu(
  reading: PrometheusReading,
  servers: readonly ServerMetrics[],
  showsGpus: boolean,
  device: string,
): MetricChannels {
  const { quantity } = ownCpuTime;
  if (showsGpus || !reading.samples.has(ownCpuTime.sample)) return { channels: [], missing: [] };
  const [server] = servers;
  if (server === undefined) return { channels: [serverChannel(ownCpuTime, device)], missing: [] };
  if (server.figures.some((figure) => figure.quantity === quantity)) return { channels: [], missing: [] };
  const hint = `${ownCpuTime.sample} is of the process that answers alone, and ${server.server} computes in others; on its own machine all are read with --server-pid PID`;
  return { channels: [], missing: [{ device, quantity, reason: 'unsupported', hint }] };
}

function gpuChannels(device: string, { split, values }: GpuView): MetricChannels {
  if (split) {
    const hint = 'This GPU is split by MIG: what is counted of its instances together is no one’s own.';
    return { channels: [], missing: [{ device, quantity: 'all', reason: 'unsupported', hint, mig: true }] };
  }
  const channels: MetricChannel[] = [];
  const missing: MissingChannel[] = [];
  for (const quantity of new Set(gpuFigures.map((figure) => figure.quantity))) {
    const candidates = gpuFigures.filter((figure) => figure.quantity === quantity);
    const found = candidates.find(({ sample }) => Number.isFinite(values.get(sample)));
    if (found) channels.push(gpuChannel(found, device));
    else {
      const hint = `The exporter shows no ${candidates.map(({ sample }) => sample).join(' or ')}; it is added in its list of counters (-f FILE.csv).`;
      missing.push({ device, quantity, reason: 'unsupported', hint });
    }
  }
  return { channels, missing };
}

function gpuChannel(figure: GpuFigure, device: string): MetricChannel {
  const { sample, quantity, unit, kind, averagedOverNs, scale, most } = figure;
  const channel: Channel = { quantity, device, unit, kind, ...(averagedOverNs && { averagedOverNs }) };
  const raw = ({ gpus }: MetricView) => gpus.get(device)?.values.get(sample) ?? Number.NaN;
  if (kind === 'gauge') return { channel, read: (view) => bounded(raw(view) * scale, most) };
  const counter = new ChangingCounter(scale, most);
  // The driver counts on while the exporter starts again.
  return { channel, read: (view, atNs) => counter.next(raw(view), atNs, false) };
}

/** `host` stands for that of GPUs that do not name theirs. */
export function viewOf(reading: PrometheusReading, host: string): MetricView {
  const gpus = new Map<string, GpuView>();
  for (const sample of new Set(gpuFigures.map((figure) => figure.sample))) {
    for (const { labels, value } of reading.samples.get(sample) ?? []) {
      const number = labels.get('gpu');
      if (number === undefined) continue;
      const device = `gpu-${plain(number)}@${plain(labels.get('Hostname') || host)}`;
      const gpu = gpus.get(device) ?? { number, split: false, values: new Map<string, number>() };
      gpus.set(device, gpu);
      gpu.split ||= labels.has('GPU_I_ID');
      // A GPU that several containers share has a row for each of them, all with the figure of the whole GPU.
      if (!gpu.values.has(sample)) gpu.values.set(sample, value);
    }
  }
  return { reading, gpus };
}

const plain = (text: string): string => text.replace(/[^\w.:[\]-]/g, '_').slice(0, 64);

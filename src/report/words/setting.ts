import type { ModelRecord } from '../../core/records/model.js';
import type { Ceilings, Result } from '../../core/result.js';
import {
  capitalized,
  formatBytes,
  formatCount,
  formatDuration,
  formatEnergy,
  formatKnown,
  formatNumber,
  formatPercent,
} from './format.js';
import { metricName } from './names.js';
import { describeArrivals, describeServer } from './server.js';

/** Lines above the table: what was run, where and on what. */
export function setting(result: Result): string[] {
  const { run, hardware } = result;
  const concurrency = describeLoop(run);
  const machine = [
    hardware.cpu.brand,
    ...formatKnown(hardware.cpu.logicalCores, (cores) => formatCount(cores, 'logical core')),
    ...formatKnown(hardware.memoryBytes, formatBytes),
    ...hardware.gpus.map(({ model }) => model),
  ];
  return [
    `tokenwork ${result.tool.version} · ${run.suite} · seed ${run.seed} · ` +
      `${formatCount(result.requests.length, 'request')} in ${formatDuration(run.durationNs)}, ${concurrency}`,
    `Machine: ${machine.join(', ')}`,
    ...(hardware.ceilings === null ? [] : [describeCeilings(hardware.ceilings)]),
    ...(result.environment.servers ?? []).map(describeServer),
    ...result.models.map(describeModel),
    ...describeArrivals(result),
    ...devices(result.models),
  ];
}

/** `one request at a time`, or that requests came as they were due. */
function describeLoop({ concurrency, arrivals = [] }: Result['run']): string {
  if (arrivals.some(({ process }) => process.kind !== 'closed')) return 'sent as they were due';
  return concurrency === 1 ? 'one request at a time' : `${concurrency} requests at a time`;
}

function describeCeilings(ceilings: Ceilings): string {
  const { memoryBandwidth, gemm, threads, device } = ceilings;
  const rates = Object.entries(gemm).map(
    ([dtype, { value }]) => `${formatNumber(value / 1e9)} GFLOP/s ${dtype}`,
  );
  const bandwidth =
    memoryBandwidth === null ? [] : [`${formatNumber(memoryBandwidth.value / 1e9)} GB/s read`];
  const of = device === undefined ? `with ${formatCount(threads, 'thread')}` : `on ${device}`;
  return `Ceilings ${of}: ${[...bandwidth, ...rates].join(', ')}${whyTooLow(ceilings)}`;
}

function whyTooLow({ othersCores, withheldCores, thermalThrottles }: Ceilings): string {
  const why = [
    ...(othersCores === undefined ? [] : [`others kept ${formatNumber(othersCores)} cores busy`]),
    ...(withheldCores === undefined ? [] : [`a CPU quota withheld ${formatNumber(withheldCores)} cores`]),
    ...(thermalThrottles === undefined ? [] : ['the processor was throttled for heat']),
  ];
  return why.length === 0 ? '' : ` (too low: ${why.join(', ')} meanwhile)`;
}

/** Why the device was taken, and what ran where. */
function devices(models: readonly ModelRecord[]): string[] {
  const reasons = new Set(
    models.flatMap(({ engine: { device, deviceReason } }) =>
      deviceReason === undefined ? [] : [`Device: ${device}, ${deviceReason}`],
    ),
  );
  const placements = models.flatMap(({ id, placement }) =>
    placement === undefined
      ? []
      : [
          `${id}: ${formatCount(placement.device, 'node')} on the GPU, ${placement.cpu} on the CPU (${Object.keys(placement.cpuOps).join(', ')})`,
        ],
  );
  const layers = models.flatMap(({ id, offloadedLayers }) =>
    offloadedLayers === undefined
      ? []
      : [
          `${id}: ${offloadedLayers.device} of ${formatCount(offloadedLayers.all, 'layer')} on the GPU, by llama.cpp`,
        ],
  );
  return [...reasons, ...placements, ...layers];
}

export function describeModel({
  id,
  graphVariant,
  engine,
  loadNs,
  warmup,
  roles,
  coldStart,
  ...record
}: ModelRecord): string {
  const sharing = engine.sharedSession ? ', session shared' : '';
  // What a pipeline alone asks for runs in requests that are another model's.
  const warmedUp = `${roles?.includes('chat') === false ? 'ran in ' : ''}${formatCount(warmup.requests, 'warm-up request')} left out`;
  const fallback = engine.backend === 'node' ? ` (${engine.backendReason})` : '';
  const graph = graphVariant === null ? '' : `, ${graphVariant} graph`;
  const model = `Model ${id}: ${weightsInWords(record)}${graph}`;
  if (engine.backend === 'server') return `${model}; ${engine.name} ${engine.version}, a server; ${warmedUp}`;
  return (
    `${model}; ${engine.name} ${engine.version} ${engine.backend}${fallback} on ${engine.device}` +
    `${engine.adapter ? ` (${engine.adapter.name})` : `, ${formatCount(engine.threads, 'thread')}`}${sharing}; ` +
    `loaded in ${formatDuration(loadNs ?? 0)}, ${warmedUp}` +
    (coldStart ? `, cold start ${formatDuration((loadNs ?? 0) + coldStart.shadersNs)} with its shaders` : '')
  );
}

const sources: Record<ModelRecord['source'], string> = {
  synthesised: 'random weights',
  folder: 'weights from its folder',
  hub: 'weights from the Hub',
  server: 'weights of the server',
};

/** `135 M parameters, q4, random weights`, without what is not known. */
export function weightsInWords({
  parameters,
  dtype,
  source,
}: Pick<ModelRecord, 'parameters' | 'dtype' | 'source'>): string {
  const size = parameters === null ? [] : [`${formatParameters(parameters)} parameters`];
  return [...size, ...(dtype === null ? [] : [dtype]), sources[source]].join(', ');
}

/** `135 M`. */
function formatParameters(parameters: number): string {
  if (parameters >= 1e9) return `${formatNumber(parameters / 1e9)} B`;
  if (parameters >= 1e6) return `${formatNumber(parameters / 1e6)} M`;
  return `${formatNumber(parameters / 1e3)} k`;
}

/** `CPU time: 61.2 s in all = 59.8 s in requests (97.7%) + 0 idle + 1.4 s unattributed`, and so on. */
export function conservation(result: Result): string[] {
  return Object.entries(result.conservation).map(
    ([metric, { total, requests, idle, unattributed, unit }]) => {
      const shown = { ns: formatDuration, B: formatBytes, J: formatEnergy }[unit];
      const show = (value: number) => shown?.(value) ?? `${formatNumber(value)} ${unit}`;
      const share = total > 0 ? ` (${formatPercent(requests / total)})` : '';
      return (
        `${capitalized(metricName(metric))}: ${show(total)} in all = ${show(requests)} in requests${share} ` +
        `+ ${show(idle)} idle + ${show(unattributed)} unattributed`
      );
    },
  );
}

/** Lines on what this run could not measure, and what would help. */
export function unmeasured(result: Result): string[] {
  return Object.entries(result.metrics)
    .filter(([, { provenance, reason }]) => provenance === 'unavailable' || reason !== null)
    .map(([metric, { reason, hint }]) => {
      const why = reason === null ? '' : ` (${reason})`;
      return `Not measured: ${metricName(metric)}${why}.${hint === null ? '' : ` ${hint}`}`;
    });
}

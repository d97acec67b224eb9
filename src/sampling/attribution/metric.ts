import type { Warning } from '../../core/codes.js';
import { metricOf } from '../../core/metrics.js';
import type { Metric } from '../../core/work.js';
import type { Absence } from '../../sensors/absence.js';
import { type DeviceUse, isGpu, type UseMetric } from './devices.js';
import type { Segment } from './segment.js';

export interface SamplingSetting {
  concurrency: number;
  usesGpu: boolean;
  /** Whether requests went to a server, with several in flight. */
  regressed?: boolean;
  /** The members of a fleet whose counters are one account, as nothing tells which of them answered; absent else. */
  fleet?: number | undefined;
}

/** Sensors that such a figure would come from, nearest first. */
const sources = {
  server: ['server-process', 'server-metrics'],
  cpu: ['rapl', 'apple', 'nvml', 'nvidia-smi', 'amd'],
  gpu: ['nvml', 'nvidia-smi', 'amd', 'apple', 'server-metrics', 'rapl'],
};

/** The entry of a sampled metric in the result's table: what is in it, how it was read, how shared. */
export function sampledMetric(
  metric: UseMetric,
  segment: Segment,
  devices: readonly DeviceUse[],
  setting: SamplingSetting,
): Metric {
  const { unit } = metricOf(metric);
  const counted = devices.filter((use) => use.metric === metric && use.counted);
  if (counted.length === 0) {
    const absence: Absence =
      metric === 'gpuTime' && !setting.usesGpu
        ? { reason: 'not-applicable', hint: 'No model ran on a GPU.' }
        : nearest(metric, segment, setting);
    return { unit, provenance: 'unavailable', method: 'none', ...absence };
  }
  const lacking = lackingParts(metric, segment, counted, setting).map(({ part }) => part);
  const method = [
    ...(segment.recorded === null ? [] : ['RECORDED on another machine, not measured in this run']),
    partsOf(metric, counted),
    ...(lacking.length === 0 ? [] : [`not in it: ${lacking.join(', ')}`]),
    sharing(metric, setting),
    ...(segment.requests.some(({ spans }) => spans.length > 1) ? [repeated] : []),
    ...(metric === 'energy' ? ['resting power included'] : []),
  ].join('; ');
  // That these requests ran beside what was recorded is an assumption.
  const isAlone = setting.concurrency === 1 && !setting.regressed;
  const provenance = segment.recorded !== null ? 'estimated' : isAlone ? 'measured' : 'attributed';
  return { unit, provenance, method, reason: null, hint: null };
}

function partsOf(metric: UseMetric, counted: readonly DeviceUse[]): string {
  const groups = new Map<string, string[]>();
  for (const { device, sensor, curve, ofProcess } of counted) {
    const how =
      metric === 'gpuTime'
        ? `utilisation by ${ofProcess ? 'this process' : 'all processes'}, integrated`
        : curve.method === 'counter'
          ? 'counter'
          : 'power, integrated';
    const key = `${sensor} ${how}`;
    groups.set(key, [...(groups.get(key) ?? []), device]);
  }
  return [...groups].map(([how, of]) => `${of.join(' + ')} (${how})`).join(' + ');
}

const repeated =
  'requests that ran several times: their runs, without what lies between them, divided by their number, and shared by their stages by their own time where a counter ticks more slowly than they change';

function sharing(metric: UseMetric, { concurrency, regressed, fleet }: SamplingSetting): string {
  if (regressed) {
    const over =
      fleet === undefined
        ? ''
        : ` over a fleet of ${fleet} as if it were one server, as not every answer names its own, which errs more than each by itself`;
    return `shared${over} among the requests in flight by a non-negative regression of its windows on what ran in them (tokens computed, tokens decoded, context held, steps; idle time apart), each request charged by its own and all rescaled to the counter`;
  }
  if (concurrency === 1) return 'over a window that holds only the request';
  return metric === 'energy'
    ? 'shared among the requests in flight: of a GPU by their GPU time where it is known, else by overlap; of all else by their CPU time'
    : 'shared among the requests in flight by overlap';
}

/** Parts of an energy that should be in it and are not, each with what would help. */
function lackingParts(
  metric: UseMetric,
  segment: Segment,
  counted: readonly DeviceUse[],
  { usesGpu }: SamplingSetting,
): { part: string; absence: Absence | null }[] {
  if (metric !== 'energy') return [];
  const parts: { part: string; absence: Absence | null }[] = [];
  const missing = segment.sensors.flatMap((sensor) =>
    sensor.missing.filter(({ quantity }) => quantity === 'energy' || quantity === 'all'),
  );
  const has = (prefix: string) => counted.some(({ device }) => device.startsWith(prefix));
  if (!has('package-')) parts.push({ part: 'CPU package', absence: absenceOf(segment, 'rapl') });
  if (!has('dram-')) parts.push({ part: 'DRAM', absence: null });
  for (const { device, ...absence } of missing) {
    const counts = !isGpu(device) || usesGpu;
    if (counts && !counted.some((use) => use.device === device)) parts.push({ part: device, absence });
  }
  if (usesGpu && !has('gpu-') && !parts.some(({ part }) => isGpu(part))) {
    parts.push({ part: 'GPU', absence: absenceOf(segment, 'nvml') });
  }
  return parts;
}

/** Said where an energy is not of all that worked. */
export function partialEnergy(
  segment: Segment,
  devices: readonly DeviceUse[],
  setting: SamplingSetting,
): Warning[] {
  const counted = devices.filter(({ metric, counted: isCounted }) => metric === 'energy' && isCounted);
  if (counted.length === 0) return [];
  // That a processor counts no DRAM apart is common, and stands in the method.
  const lacking = lackingParts('energy', segment, counted, setting).filter(({ part }) => part !== 'DRAM');
  if (lacking.length === 0) return [];
  const hints = [...new Set(lacking.flatMap(({ absence }) => absence?.hint ?? []))];
  return [
    {
      code: 'energy-partial',
      message: `Energy is of ${counted.map(({ device }) => device).join(' + ')} only; not in it: ${lacking.map(({ part }) => part).join(', ')}.`,
      hint: hints.join(' ') || 'Compare it with runs that lack the same parts.',
    },
  ];
}

function absenceOf({ sensors }: Segment, name: string): Absence | null {
  const sensor = sensors.find((of) => of.name === name);
  return sensor?.reason && sensor.hint !== null ? { reason: sensor.reason, hint: sensor.hint } : null;
}

/**
 * Why there is no such figure, by the sensor that came nearest: one that needs only a permission, then one
 * that works and lacks the figure, then the first that this kind of run would use.
 */
export function nearest(
  metric: UseMetric,
  { sensors }: Pick<Segment, 'sensors'>,
  { usesGpu }: Pick<SamplingSetting, 'usesGpu'>,
): Absence {
  const wanted = {
    energy: ['energy', 'power', 'all'],
    gpuTime: ['utilisation', 'all'],
    cpuTime: ['cpuTime', 'all'],
  }[metric];
  const from = metric === 'cpuTime' ? 'server' : usesGpu || metric === 'gpuTime' ? 'gpu' : 'cpu';
  const found = sources[from].flatMap((name) => {
    const sensor = sensors.find((of) => of.name.replace(/-\d+$/, '') === name);
    if (sensor === undefined || sensor.reason === 'not-applicable') return [];
    const lacks = sensor.missing.find(({ quantity }) => wanted.includes(quantity));
    const { reason, hint } = sensor.available ? (lacks ?? { reason: null, hint: null }) : sensor;
    return reason === null || hint === null ? [] : [{ reason, hint, works: sensor.available }];
  });
  const best =
    found.find(({ reason }) => reason === 'permission') ?? found.find(({ works }) => works) ?? found[0];
  if (best) return { reason: best.reason, hint: best.hint };
  if (metric === 'cpuTime') {
    const hint =
      'The server’s process is not known: name it with --server-pid, or its counters with --metrics-url.';
    return { reason: 'unsupported', hint };
  }
  const hint =
    metric === 'energy' && sensors.some(({ name, reason }) => name === 'rapl' && reason === 'not-applicable')
      ? 'tokenwork reads the energy of processors on Linux on x86 alone, and of GPUs through the drivers of NVIDIA and, on Linux, AMD.'
      : 'No sensor that was sampled gives it.';
  return { reason: 'unsupported', hint };
}

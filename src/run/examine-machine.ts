import type { Warning } from '../core/codes.js';
import { TokenworkError } from '../core/errors.js';
import type { Hardware } from '../core/result.js';
import type { Nanoseconds } from '../core/units.js';
import { llamaLibraries, probeLlamaBackEnds } from '../engines/llama/installation.js';
import {
  type BackEndRecord,
  gpuLibraries,
  type LibraryRecord,
  probeBackEnds,
} from '../engines/onnx/back-ends.js';
import { isGpu } from '../sampling/attribution/devices.js';
import { energyWindowNs, givesEnergy } from '../sampling/attribution/energy-window.js';
import { nearest } from '../sampling/attribution/metric.js';
import type { SampledChannel, SampledSensor } from '../sampling/attribution/segment.js';
import { inspectSensors, type SensorInspection } from '../sampling/inspect.js';
import { machineSensors, type SensorSpec } from '../sensors/catalogue.js';
import { type Inventory, takeInventory } from '../sensors/inventory.js';
import { cpuClockStep, openCpuClock } from '../sensors/linux/cpu-time.js';
import { openPeakMemory } from '../sensors/linux/memory.js';
import { findNvml } from '../sensors/nvidia/nvml-library.js';

/** The quantities that a run on this machine could measure, and the sensors for them. */
export interface MachineExamination {
  hardware: Hardware;
  os: string;
  virtualization: Inventory['virtualization'];
  usableCores: number;
  /** Warnings of the inventory. */
  warnings: Warning[];
  backEnds: BackEndRecord[];
  /** Meters of each request, besides the sensors that are sampled. */
  meters: { name: string; available: boolean; method: string | null; hint: string | null }[];
  /** Native libraries that were looked for. */
  libraries: LibraryRecord[];
  /** Readings of the sensors that the sampler starts with; null where it starts with none. */
  inspection: SensorInspection | null;
  /** Sensors that keep the sampler from starting (`all`: only together), and how. */
  failures: { sensor: string; message: string }[];
}

/**
 * Takes stock of the machine, loads every back end, and runs every sensor for `forNs` (1 s by default) at
 * its default rate and again at ten times it. Does not reject because something is missing.
 */
export async function examineMachine(
  options: {
    sensors?: readonly SensorSpec[];
    forNs?: Nanoseconds;
    inventory?: Inventory;
    onProgress?: (message: string) => void;
  } = {},
): Promise<MachineExamination> {
  const { sensors = machineSensors(), forNs = 1e9, onProgress } = options;
  onProgress?.('taking stock of this machine');
  const inventory = options.inventory ?? (await takeInventory());
  onProgress?.('loading the back ends');
  const backEnds = [...(await probeBackEnds()), ...(await probeLlamaBackEnds())];
  onProgress?.(`reading every sensor for ${forNs / 1e9} s, then at ten times the rate`);
  const inspected = await inspect(sensors, forNs);
  const sampled = inspected.inspection?.sensors ?? [];
  return {
    hardware: inventory.hardware,
    os: inventory.os,
    virtualization: inventory.virtualization,
    usableCores: inventory.usableCores,
    warnings: inventory.warnings,
    backEnds,
    libraries: [
      ...backEnds.flatMap(({ name, file }) => (file === null ? [] : [{ name, file, loads: true }])),
      { name: 'NVML', ...findNvml() },
      ...gpuLibraries(),
      ...llamaLibraries(),
    ],
    meters: [...meters(), energyMeter(sampled), gpuTimeMeter(sampled)],
    ...inspected,
  };
}

async function inspect(
  sensors: readonly SensorSpec[],
  forNs: Nanoseconds,
): Promise<Pick<MachineExamination, 'inspection' | 'failures'>> {
  const together = await attempt(() => inspectSensors({ sensors, forNs }));
  if (typeof together !== 'string') return { inspection: together, failures: [] };
  const failures: MachineExamination['failures'] = [];
  const sound: SensorSpec[] = [];
  for (const spec of sensors) {
    const alone = await attempt(() => inspectSensors({ sensors: [spec], forNs: briefNs }));
    if (typeof alone === 'string') failures.push({ sensor: spec.sensor, message: alone });
    else sound.push(spec);
  }
  if (failures.length === 0) failures.push({ sensor: 'all', message: together });
  const rest =
    sound.length < sensors.length ? await attempt(() => inspectSensors({ sensors: sound, forNs })) : together;
  return { inspection: typeof rest === 'string' ? null : rest, failures };
}

const briefNs: Nanoseconds = 1e7;

/** The inspection, or the message of the failure that it ends in. */
async function attempt(inspection: () => Promise<SensorInspection>): Promise<SensorInspection | string> {
  try {
    return await inspection();
  } catch (error) {
    if (error instanceof TokenworkError) return error.message;
    throw error;
  }
}

function meters(): MachineExamination['meters'] {
  const cpu = openCpuClock();
  const peak = openPeakMemory(true);
  const stepNs = cpuClockStep(cpu);
  const alone = 'Threads cannot be told apart here; measure one request at a time with --concurrency 1.';
  return [
    {
      name: 'cpu-time',
      available: true,
      method: `${cpu.method}${coarseness(stepNs)}`,
      hint: cpu.threadNs === null ? alone : null,
    },
    'method' in peak
      ? { name: 'peak-memory', available: true, method: peak.method, hint: null }
      : { name: 'peak-memory', available: false, method: null, hint: peak.hint },
  ];
}

/** Below it, no request that takes a model's time is too short for the clock. */
const fineStepNs: Nanoseconds = 1e5;

/** A clock that shows whole steps errs by one at most: by 1% of what takes a hundred. */
export function coarseness(stepNs: Nanoseconds | null): string {
  if (stepNs === null) return ', in steps too long to be seen';
  if (stepNs < fineStepNs) return '';
  const ms = (ns: Nanoseconds) => `${Number((ns / 1e6).toPrecision(3))} ms`;
  return `, in steps of ${ms(stepNs)}: within 1% for requests of ${ms(100 * stepNs)} and more`;
}

type Meter = MachineExamination['meters'][number];

/** The meter of energy, as a run with --energy would state it on this machine. */
function energyMeter(sensors: readonly SampledSensor[]): Meter {
  const windowNs = energyWindowNs(sensors);
  const parts = partsOf(sensors, givesEnergy);
  if (windowNs === null) {
    const { hint } = nearest('energy', { sensors }, { usesGpu: false });
    return { name: 'energy', available: false, method: null, hint };
  }
  const method = `${parts}; within 1% from windows of ${Math.ceil(windowNs / 1e6)} ms, which --energy fills by repeating a request`;
  return { name: 'energy', available: true, method, hint: null };
}

function gpuTimeMeter(sensors: readonly SampledSensor[]): Meter {
  const parts = partsOf(sensors, ({ device, quantity }) => isGpu(device) && quantity === 'utilisation');
  if (parts === '') {
    const { hint } = nearest('gpuTime', { sensors }, { usesGpu: true });
    return { name: 'gpu-time', available: false, method: null, hint };
  }
  return { name: 'gpu-time', available: true, method: `${parts}; utilisation, integrated`, hint: null };
}

/** `gpu-0 (nvml) + package-0 (rapl)`: the devices that such a channel is read of, each by its first sensor. */
function partsOf(sensors: readonly SampledSensor[], wanted: (channel: SampledChannel) => boolean): string {
  const by = new Map<string, string>();
  for (const { name, channels } of sensors) {
    for (const channel of channels) {
      if (wanted(channel) && !by.has(channel.device)) by.set(channel.device, name);
    }
  }
  return [...by].map(([device, sensor]) => `${device} (${sensor})`).join(' + ');
}

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { log } from '../../core/log.js';
import type { Absence } from '../absence.js';
import { gpuWatts } from '../gpu-power.js';
import { MonotonicCounter } from '../monotonic-counter.js';
import { type Channel, type MissingChannel, milliseconds, oftenNs, type Sensor } from '../sensor.js';
import { type CounterFile, openCounterFile, refusal } from './counter-file.js';

interface Figure {
  channel: Channel;
  file: CounterFile;
  value(raw: number, atNs: number): number;
}

/** The files of a figure below the GPU's hwmon folder, best first. */
interface Source {
  quantity: string;
  files: string[];
  unit: Channel['unit'];
  scale: number;
  most: number;
}

const sources: Source[] = [
  // amdgpu averages over some 100 ms in power1_average; newer GPUs show the instant in power1_input.
  {
    quantity: 'power',
    files: ['power1_input', 'power1_average'],
    unit: 'W',
    scale: 1e-6,
    most: gpuWatts.most,
  },
  { quantity: 'utilisation', files: ['device/gpu_busy_percent'], unit: 'ratio', scale: 0.01, most: 1 },
  { quantity: 'memoryUsed', files: ['device/mem_info_vram_used'], unit: 'B', scale: 1, most: 2 ** 50 },
  { quantity: 'smClock', files: ['freq1_input'], unit: 'Hz', scale: 1, most: 1e11 },
  { quantity: 'memoryClock', files: ['freq2_input'], unit: 'Hz', scale: 1, most: 1e11 },
  { quantity: 'temperature', files: ['temp1_input'], unit: '°C', scale: 1e-3, most: 150 },
];

/**
 * AMD GPUs as the amdgpu driver shows them in hwmon (kernel docs, gpu/amdgpu/thermal). They are named
 * `gpu-amd-0` …, so that an NVIDIA GPU of the same machine is no other reading of the same device.
 */
export function amdSensor(root = '/sys'): Sensor {
  const directory = join(root, 'class/hwmon');
  return {
    name: 'amd',
    platforms: ['linux'],
    figures: ['gpuEnergy', 'gpuTime'],
    reads: `energy, power, utilisation, memory, clocks and temperature of AMD GPUs (${directory})`,
    async open(clock) {
      const gpus = gpuFolders(directory);
      if (gpus.length === 0) {
        return {
          reason: 'unsupported',
          hint: `${directory} has no amdgpu; with an AMD GPU: sudo modprobe amdgpu`,
        };
      }
      const missing: MissingChannel[] = [];
      const figures = gpus.flatMap((folder, gpu) => figuresOf(folder, `gpu-amd-${gpu}`, missing));
      if (figures.length === 0) return { reason: missing[0]!.reason, hint: missing[0]!.hint };
      const lost = new Set<number>();
      return {
        channels: figures.map(({ channel }) => channel),
        missing,
        periodNs: oftenNs,
        arrives: false,
        read(sink) {
          for (const [index, { file, value }] of figures.entries()) {
            if (lost.has(index)) continue;
            try {
              const raw = file.integer();
              const atNs = clock.now();
              sink.put(index, value(raw, atNs), atNs);
            } catch (error) {
              lost.add(index);
              sink.lose(index, refusal(error).message);
            }
          }
        },
        close() {
          for (const { file } of figures) file.close();
        },
      };
    },
  };
}

function gpuFolders(directory: string): string[] {
  let entries: string[];
  try {
    entries = readdirSync(directory);
  } catch (error) {
    log('hwmon: %s', error);
    return []; // Not Linux, or no hwmon.
  }
  return entries
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .map((entry) => join(directory, entry))
    .filter((folder) => {
      try {
        return readFileSync(join(folder, 'name'), 'latin1').trim() === 'amdgpu';
      } catch (error) {
        log('hwmon: %s', error);
        return false;
      }
    });
}

function figuresOf(folder: string, device: string, missing: MissingChannel[]): Figure[] {
  const figures: Figure[] = [];
  const energy = new MonotonicCounter({ largest: null, scale: 1e-6, mostPerSecond: gpuWatts.most });
  const counter: Channel = { quantity: 'energy', device, unit: 'J', kind: 'counter' };
  const energyFile = firstReadable(folder, ['energy1_input']);
  if ('file' in energyFile) {
    figures.push({ channel: counter, file: energyFile.file, value: (raw, atNs) => energy.next(raw, atNs) });
  } else {
    missing.push({ device, quantity: 'energy', ...energyFile });
  }
  for (const { quantity, files, unit, scale, most } of sources) {
    const found = firstReadable(folder, files);
    if (!('file' in found)) {
      missing.push({ device, quantity, ...found });
      continue;
    }
    figures.push({
      channel: {
        quantity,
        device,
        unit,
        kind: 'gauge',
        ...(found.file.path.endsWith('_average') && { averagedOverNs: milliseconds(100) }),
      },
      file: found.file,
      value: (raw) => (raw * scale <= most ? raw * scale : Number.NaN),
    });
  }
  return figures;
}

function firstReadable(folder: string, files: string[]): { file: CounterFile } | Absence {
  let failure: ReturnType<typeof refusal> | null = null;
  for (const name of files) {
    const path = join(folder, name);
    try {
      const file = openCounterFile(path);
      try {
        file.integer();
        return { file };
      } catch (error) {
        file.close();
        throw error;
      }
    } catch (error) {
      const refused = refusal(error);
      if (failure === null || refused.reason === 'permission') failure = refused;
    }
  }
  return {
    reason: failure!.reason,
    hint: `The amdgpu driver shows no such figure here: ${failure!.message}`,
  };
}

import { type LlamaDevice, packageFor } from '../engines/llama/packages.js';
import { shippedBuilds } from '../engines/onnx/native/library.js';
import { createSensors, machineSensors } from '../sensors/catalogue.js';
import { cpuClockIds } from '../sensors/linux/cpu-time.js';
import { peakMemorySystems } from '../sensors/linux/memory.js';
import { runsOn, type SensedFigure, type Sensor, type System } from '../sensors/sensor.js';

/** Systems that anyone may ask about. */
const machines: readonly { name: string; system: System; arch: string }[] = [
  { name: 'Linux, x64', system: 'linux', arch: 'x64' },
  { name: 'Linux, arm64', system: 'linux', arch: 'arm64' },
  { name: 'macOS, Apple silicon', system: 'darwin', arch: 'arm64' },
  { name: 'macOS, Intel', system: 'darwin', arch: 'x64' },
  { name: 'Windows, x64', system: 'win32', arch: 'x64' },
  { name: 'Windows, arm64', system: 'win32', arch: 'arm64' },
];

/** Whose figures a sensor reads. */
const sources: Record<string, string> = {
  rapl: 'RAPL',
  nvml: 'NVIDIA',
  'nvidia-smi': 'NVIDIA',
  amd: 'AMD',
  apple: 'Apple',
};

/**
 * What can be measured on which system, as the engines' packages, the clocks and the sensors have it: a row a system,
 * the headings first. What a machine of the system really shows, `examineMachine` says.
 */
export function supportTable(): string[][] {
  const sensors = machineSensors().flatMap((spec) => createSensors(spec));
  return [
    ['', 'ONNX', 'GGUF', 'GPU through', 'CPU time', 'peak memory', 'CPU energy', 'GPU energy', 'GPU time'],
    ...machines.map(({ name, system, arch }) => [
      name,
      yes(`${system}/${arch}` in shippedBuilds),
      yes(packageFor('cpu', system, arch) !== null),
      devicesOf(system, arch),
      cpuTimeOn(system),
      yes(peakMemorySystems.includes(system)),
      ...(['cpuEnergy', 'gpuEnergy', 'gpuTime'] as const).map((figure) =>
        givers(sensors, figure, system, arch),
      ),
    ]),
  ];
}

const absent = '–';
const yes = (is: boolean): string => (is ? 'yes' : absent);

function devicesOf(system: System, arch: string): string {
  const gpus: readonly Exclude<LlamaDevice, 'cpu'>[] = ['cuda', 'vulkan', 'metal'];
  const open: string[] = gpus.filter((device) => packageFor(device, system, arch) !== null);
  if (shippedBuilds[`${system}/${arch}`]?.webgpu) open.push('webgpu');
  return open.join(', ') || absent;
}

/** Other threads of a request are told apart on Linux alone. */
function cpuTimeOn(system: System): string {
  if (cpuClockIds[system] === undefined) return 'process; thread from Node 23.9';
  return system === 'linux' ? 'every thread' : 'one thread a request';
}

function givers(sensors: readonly Sensor[], figure: SensedFigure, system: System, arch: string): string {
  const names = sensors
    .filter((sensor) => sensor.figures?.includes(figure) && runsOn(sensor, system, arch))
    .map(({ name }) => sources[name] ?? name);
  return [...new Set(names)].join(', ') || absent;
}

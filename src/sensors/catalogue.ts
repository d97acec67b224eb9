import { appleSensor } from './apple.js';
import { amdSensor } from './linux/amd-hwmon.js';
import { cpuFrequencySensor } from './linux/cpu-frequency.js';
import { cpuQuotaSensor } from './linux/cpu-quota.js';
import { pressureSensor } from './linux/pressure.js';
import { processPssSensor } from './linux/process-pss.js';
import { processUsageSensor } from './linux/process-usage.js';
import { raplSensor } from './linux/rapl.js';
import { systemCpuSensor } from './linux/system-cpu.js';
import { nvidiaSmiSensor } from './nvidia/nvidia-smi.js';
import { nvmlSensor } from './nvidia/nvml.js';
import { recordedSensors } from './recorded.js';
import type { Sensor } from './sensor.js';
import { type ServerMetricsTarget, serverMetricsSensor } from './server/server-metrics.js';
import { serverProcessSensor } from './server/server-process.js';

/**
 * Names a sensor, in a form that can be sent to another thread. `root` stands for /proc or /sys (of `cpu-quota`, for
 * what holds both), so that a copied or made-up tree can be read.
 */
export type SensorSpec =
  | {
      sensor:
        | 'process'
        | 'process-pss'
        | 'system-cpu'
        | 'pressure'
        | 'cpu-frequency'
        | 'cpu-quota'
        | 'rapl'
        | 'amd';
      root?: string;
    }
  | { sensor: 'nvml' | 'nvml-state'; libraryPath?: string }
  | {
      sensor: 'nvidia-smi';
      command?: readonly string[];
      /** The sensor it stands in for: where that one opens, this one is left out. */
      insteadOf?: string;
    }
  | { sensor: 'apple'; command?: readonly string[] }
  /** A server of models on this machine, by its process. */
  | { sensor: 'server-process'; pid: number; root?: string; device?: string }
  | ({ sensor: 'server-metrics' } & ServerMetricsTarget)
  | { sensor: 'recorded'; path: string };

/** Everything that could be read on this machine; what is not there says so when it is opened. */
export function machineSensors(): SensorSpec[] {
  return [
    { sensor: 'process' },
    { sensor: 'process-pss' },
    { sensor: 'system-cpu' },
    { sensor: 'pressure' },
    { sensor: 'cpu-frequency' },
    { sensor: 'cpu-quota' },
    { sensor: 'rapl' },
    { sensor: 'nvml' },
    { sensor: 'nvml-state' },
    { sensor: 'nvidia-smi', insteadOf: 'nvml' },
    { sensor: 'amd' },
    { sensor: 'apple' },
  ];
}

/** The sensor that is named; of a recording, all of the machine that was recorded. */
export function createSensors(spec: SensorSpec): Sensor[] {
  return spec.sensor === 'recorded' ? recordedSensors(spec.path) : [createSensor(spec)];
}

function createSensor(spec: Exclude<SensorSpec, { sensor: 'recorded' }>): Sensor {
  switch (spec.sensor) {
    case 'process':
      return processUsageSensor(spec.root);
    case 'process-pss':
      return processPssSensor(spec.root);
    case 'system-cpu':
      return systemCpuSensor(spec.root);
    case 'pressure':
      return pressureSensor(spec.root);
    case 'cpu-frequency':
      return cpuFrequencySensor(spec.root);
    case 'cpu-quota':
      return cpuQuotaSensor(spec.root);
    case 'rapl':
      return raplSensor(spec.root);
    case 'nvml':
      return nvmlSensor('load', spec.libraryPath);
    case 'nvml-state':
      return nvmlSensor('state', spec.libraryPath);
    case 'nvidia-smi':
      return nvidiaSmiSensor(spec.command);
    case 'amd':
      return amdSensor(spec.root);
    case 'apple':
      return appleSensor(spec.command);
    case 'server-process':
      return serverProcessSensor(spec.pid, spec.root, spec.device);
    case 'server-metrics':
      return serverMetricsSensor(spec);
  }
}

import { accessSync, constants, existsSync } from 'node:fs';
import type { Result } from '../core/result.js';

type SensorRecord = Result['environment']['sensors'][number];

const raplCounter = '/sys/class/powercap/intel-rapl:0/energy_uj';
const nvidiaDriver = '/proc/driver/nvidia/version';
const unsampled = 'This version of tokenwork does not sample it';

/**
 * Whether this machine has the energy and GPU counters. They are looked for and not sampled: every
 * figure drawn from them is `null` in the result.
 */
export function findCounters(counterPath = raplCounter, driverPath = nvidiaDriver): SensorRecord[] {
  return [raplRecord(counterPath), nvmlRecord(driverPath)];
}

function raplRecord(path: string): SensorRecord {
  const absent = { name: 'rapl', available: false, periodNs: null };
  if (!existsSync(path)) {
    return { ...absent, reason: 'unsupported', hint: `${path} does not exist, as in most virtual machines.` };
  }
  try {
    accessSync(path, constants.R_OK);
  } catch {
    return { ...absent, reason: 'permission', hint: `${path} may be read by root only.` };
  }
  return { ...absent, reason: 'unsupported', hint: `${unsampled}, though ${path} can be read.` };
}

function nvmlRecord(path: string): SensorRecord {
  const hint = existsSync(path)
    ? `${unsampled}, though the NVIDIA driver is loaded.`
    : 'No NVIDIA driver is loaded.';
  return { name: 'nvml', available: false, reason: 'unsupported', hint, periodNs: null };
}

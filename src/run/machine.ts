import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Warning } from '../core/codes.js';
import { log } from '../core/log.js';
import type { Result } from '../core/result.js';
import { hugePagesGranted } from '../engines/onnx/native/huge-pages.js';
import type { LocalSettings } from '../journal/entry.js';
import type { SampledSensor } from '../sampling/attribution/segment.js';
import { readFigureSettings } from '../sensors/figure-settings.js';
import type { Inventory } from '../sensors/inventory.js';
import type { LoadedWorker, SensorState } from './workers/protocol.js';

/** Packages whose version decides what is measured. */
const packages = ['onnxruntime-node', 'koffi', 'piscina', '@huggingface/transformers'];

/** Describes what the run runs in: versions, settings, and every sensor with whether it can be read. */
export function environmentOf(
  inventory: Inventory,
  loaded: LoadedWorker | null,
  sampled: readonly SampledSensor[],
): Result['environment'] {
  return {
    node: process.version,
    os: inventory.os,
    packages: Object.fromEntries(packages.map((name) => [name, installedVersion(name)])),
    sensors: [
      // Requests to a server take no worker.
      ...(loaded
        ? [
            sensorRecord('cpu-time', loaded.models[0]!.cpuTime),
            sensorRecord('peak-memory', loaded.peakMemory),
          ]
        : []),
      // Numbers of channels are the journal's own.
      ...sampled.map(({ channels, ...sensor }) => ({
        ...sensor,
        channels: channels.map(({ id: _, ...channel }) => channel),
      })),
    ],
    virtualization: inventory.virtualization,
    usableCores: inventory.usableCores,
    settings: { ...readFigureSettings(), hugePagesGranted: hugePagesGranted() },
  };
}

function sensorRecord(name: string, state: SensorState): Result['environment']['sensors'][number] {
  const { reason, hint } = 'method' in state ? { reason: null, hint: null } : state;
  return { name, available: reason === null, reason, hint, periodNs: null };
}

/** Requests that want more cores than there are would measure each other. */
export function oversubscribed(
  { concurrency, device, threads }: Pick<LocalSettings, 'concurrency' | 'device' | 'threads'>,
  usableCores: number,
): Warning[] {
  if (device !== 'cpu') return takingTurns(device, concurrency);
  const wanted = concurrency * threads;
  if (wanted <= usableCores) return [];
  return [
    {
      code: 'oversubscribed',
      message: `${concurrency} requests at a time with ${threads} threads each want ${wanted} cores, and there are ${usableCores}.`,
      hint: 'They wait for each other, which lengthens every time. Lower --concurrency or --threads.',
    },
  ];
}

/** Several requests on one GPU: each step of one waits for the others'. */
function takingTurns(device: LocalSettings['device'], concurrency: number): Warning[] {
  if (concurrency === 1) return [];
  const how = device === 'webgpu' ? 'take turns at the GPU, step by step' : 'share the GPU';
  return [
    {
      code: 'device-shared',
      message: `${concurrency} requests at a time ${how}.`,
      hint: 'Their times hold each other’s waiting, and memory and CPU time cannot be told apart. Measure with --concurrency 1, and batches for throughput.',
    },
  ];
}

/** The version of an installed package, from the package.json above its entry. */
function installedVersion(name: string): string {
  for (let directory = dirname(fileURLToPath(import.meta.resolve(name))); ; directory = dirname(directory)) {
    const manifest = readManifest(join(directory, 'package.json'));
    if (manifest?.name === name && manifest.version !== undefined) return manifest.version;
    if (directory === dirname(directory)) throw new Error(`the package ${name} has no package.json`);
  }
}

function readManifest(path: string): { name?: string; version?: string } | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    log('looking for a package: %s', error);
    return null;
  }
}

/**
 * run/endpoint/ runs a workload on servers: the same plan, journal and result as in this process, with requests that are
 * sent, and counters that are read, from outside.
 */
import { randomUUID } from 'node:crypto';
import { monotonicClock } from '../../core/clock.js';
import type { Warning } from '../../core/codes.js';
import type { ServerRecord } from '../../core/records/server.js';
import type { Nanoseconds } from '../../core/units.js';
import type { Journal } from '../../journal/append.js';
import {
  type JournalEntry,
  type JournalHeader,
  type JournalModel,
  journalVersion,
  type ServedHeader,
} from '../../journal/entry.js';
import { stateOf, validationOf } from '../../journal/state.js';
import { type Inventory, takeInventory } from '../../sensors/inventory.js';
import type { NewRun, ResumedRun } from '../local/run.js';
import { environmentOf } from '../machine.js';
import { metricsTable } from '../metrics.js';
import type { RecordedOptions } from '../options.js';
import { tell } from '../progress.js';
import { recordingRestarted, refuseOtherRecording, resumeWarnings } from '../resume.js';
import { describeMachine, type SensorRecorder } from '../sampling/recorder.js';
import { type RunSampling, startSampling } from '../sampling/start.js';
import { refuseStopped } from '../stopped.js';
import { measureOn, type Served } from './measure.js';
import { closeServers, type PreparedServed, prepareResumed, prepareServed } from './prepare.js';
import { openServerClocks, type ServerClocks } from './server-clock.js';

/** Measures a run on servers, into its journal. Throws what must refuse it, and what journalling throws. */
export async function measureServed({ journal, options, startedAt, recorder }: NewRun): Promise<void> {
  const originNs = process.hrtime.bigint();
  const { now } = monotonicClock(originNs);
  const prepared = await prepareServed(options, now);
  await withServers(prepared, async () => {
    tell(options.onProgress, 'machine', 'taking stock of this machine');
    const inventory = await takeInventory();
    const { settings, suite, cells, questions } = prepared;
    const clocks = clocksOf(prepared, now);
    const firstEntry = ({ sensors, warnings }: Ready): JournalEntry => ({
      kind: 'header',
      version: journalVersion,
      id: randomUUID(),
      suite,
      startedAt: startedAt.toISOString(),
      command: options.command,
      settings,
      tool: { name: 'tokenwork', ...options.tool },
      hardware: { ...inventory.hardware, ceilings: null },
      environment: {
        ...environmentOf(inventory, null, sensors),
        servers: [...prepared.servers.values()].map(({ endpoint }) => endpoint.record),
      },
      models: modelsOf(prepared),
      metrics: metricsOf(prepared, clocks),
      cells,
      questions,
      warnings: [...prepared.warnings, ...warnings, ...inventory.warnings],
    });
    const part = {
      prepared,
      inventory,
      originNs,
      clocks,
      finished: new Set<number>(),
      validation: validationOf([]),
    };
    await measurePart({ ...part, firstEntry }, journal, options, recorder);
  });
}

/** Goes on with a run on servers. Throws as `measureServed`, and TokenworkError `resume-differs`. */
export async function resumeServed(task: ResumedRun<ServedHeader>): Promise<void> {
  const { journal, options, recorder, header, entries } = task;
  const { finished, clockNs } = stateOf({ entries });
  const originNs = process.hrtime.bigint() - BigInt(Math.ceil(clockNs));
  const { now } = monotonicClock(originNs);
  const prepared = await prepareResumed(header, options, now);
  await withServers(prepared, async () => {
    refuseOtherRecording(entries, prepared.sensors.recorded);
    const inventory = await takeInventory();
    const firstEntry = (): JournalEntry => ({
      kind: 'resumed',
      at: new Date().toISOString(),
      warnings: [
        ...resumeWarnings(header, inventory.hardware.id, options.tool),
        ...recordingRestarted(prepared.sensors.recorded),
        ...otherServers(header, prepared),
      ],
    });
    const clocks = clocksOf(prepared, now);
    const part = {
      prepared,
      inventory,
      originNs,
      clocks,
      finished,
      validation: validationOf(entries),
    };
    await measurePart({ ...part, firstEntry }, journal, options, recorder);
  });
}

async function withServers(prepared: PreparedServed, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } finally {
    await closeServers(prepared.servers.values());
  }
}

interface Ready {
  sensors: RunSampling['sensors'];
  warnings: readonly Warning[];
}

interface Part extends Pick<Served, 'prepared' | 'clocks' | 'finished' | 'validation'> {
  inventory: Inventory;
  originNs: bigint;
  firstEntry(ready: Ready): JournalEntry;
}

async function measurePart(
  { inventory, originNs, firstEntry, ...part }: Part,
  journal: Journal,
  options: RecordedOptions,
  recorder: SensorRecorder | null,
): Promise<void> {
  const { now } = monotonicClock(originNs);
  const { sensors: chosen } = part.prepared;
  const sampling = await startSampling({
    chosen,
    originNs,
    now,
    recorder,
    calibrateForNs: options.calibrateForNs,
  });
  try {
    refuseStopped(options);
    const { sensors, warnings } = sampling;
    recorder?.begin({
      recordedAt: new Date().toISOString(),
      machine: describeMachine(inventory.hardware, inventory.os),
      usesGpu: true,
      sensors: [...sensors],
    });
    const entry = firstEntry({ sensors, warnings });
    journal.append(entry);
    sampling.begin(journal);
    await measureOn({ ...part, journal, sampling, now, options });
    await sampling.end();
  } finally {
    await sampling.abandon();
    part.clocks?.close();
  }
}

/** CPU time is read around each request where that is all that its server does meanwhile. */
function clocksOf(
  { settings, servers, sensors }: PreparedServed,
  now: () => Nanoseconds,
): ServerClocks | null {
  return openServerClocks(servers.keys(), sensors.pids, now, settings.concurrency === 1);
}

function metricsOf(prepared: PreparedServed, clocks: ServerClocks | null): JournalHeader['metrics'] {
  const metrics = metricsTable(null, modelsOf(prepared));
  if (clocks === null || !clocks.aroundEach) return metrics;
  const { unit } = metrics.cpuTime;
  const cpuTime = { unit, provenance: 'measured' as const, method: clocks.method, reason: null, hint: null };
  return { ...metrics, cpuTime };
}

/** Records of the servers' models; what a server does not tell is null, and its record says why. */
function modelsOf({ servers, cost }: PreparedServed): JournalModel[] {
  return [...servers.values()].map(({ id, endpoint: { record } }) => ({
    id,
    source: 'server',
    sha256: null,
    parameters: record.parameters ?? cost?.parameters ?? null,
    dtype: record.dtype,
    graphVariant: null,
    contextLength: record.contextLength,
    engine: {
      name: record.kind,
      backend: 'server',
      backendReason: 'requests go to a server over HTTP',
      device: 'server',
      threads: 0,
      sharedSession: true,
      version: record.version ?? 'of an unknown version',
    },
    cost,
    loadNs: null,
    roles: ['chat'],
  }));
}

/** A server that says otherwise of itself than when the run began. */
function otherServers({ environment }: ServedHeader, { servers }: PreparedServed): Warning[] {
  const described = ({ kind, version, model }: ServerRecord) => `${kind} ${version ?? ''} with ${model}`;
  const now = [...servers.values()].map(({ endpoint }) => endpoint.record);
  return (environment.servers ?? []).flatMap((before) => {
    const same = now.find(({ url }) => url === before.url);
    if (same === undefined || described(same) === described(before)) return [];
    return [
      {
        code: 'server-changed' as const,
        message: `${before.url} was ${described(before)} when the run began, and is ${described(same)}.`,
        hint: 'Figures from before and after are mixed in every cell; measure anew to compare them.',
      },
    ];
  });
}

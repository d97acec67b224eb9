/**
 * The worker thread: holds the models and runs one request at a time. ONNX Runtime computes on this
 * very thread, so that the thread's CPU clock is the request's.
 */

import { type Clock, monotonicClock } from '../../core/clock.js';
import { messageOf, TokenworkError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import type { Bytes, Nanoseconds } from '../../core/units.js';
import { type AbsenceReason, notCounted } from '../../core/work.js';
import type { Decoder, Encoder } from '../../engines/engine.js';
import { openDecoder, openEncoder } from '../../engines/open.js';
import type { MeasuredRow } from '../../journal/entry.js';
import { measuredRun, type Preparation } from '../../journal/measured-run.js';
import { loadTokenizer } from '../../models/tokenizer.js';
import type { Absence } from '../../sensors/absence.js';
import { openDevicePeakMemory } from '../../sensors/device-peak-memory.js';
import { openCpuClock, type RequestCpuTime, requestCpuTime } from '../../sensors/linux/cpu-time.js';
import { openPeakMemory, type PeakMemory } from '../../sensors/linux/memory.js';
import { openRunQueueWait } from '../../sensors/linux/run-queue.js';
import { cpuBetween, readInstruments } from '../../stages/instruments.js';
import type { LoadedEncoder, LoadedModel } from '../../stages/loaded-model.js';
import type { RequestControl } from '../../stages/meter.js';
import type { RequestInput } from '../../stages/request.js';
import { Resources } from '../../stages/resources.js';
import {
  type FinishedRequest,
  prepareRequest,
  repeatRequest,
  runRequest,
  type UnfinishedRequest,
} from '../../stages/run-request.js';
import { loadTerms, shippedTerms } from '../../stages/safety/lexical-filter.js';
import { promptRows } from '../../stages/tokenization.js';
import {
  controlFields,
  type LoadedWorker,
  type LoadReply,
  type LoadTask,
  type RunReply,
  type RunTask,
  type SensorState,
  type ThreadError,
  type WorkerDecoder,
  type WorkerEncoder,
} from './protocol.js';
import { repeatRuns } from './repeat.js';

interface WorkerControl extends RequestControl {
  countersMoved(): boolean;
  onRun(): void;
}

interface WorkerState {
  clock: Clock;
  control: WorkerControl;
  engines: readonly (Decoder | Encoder)[];
  resources: Resources;
  cpuTime: RequestCpuTime | Absence;
  peakMemory: PeakMemory | Absence;
  runQueueWait: (() => Nanoseconds) | null;
}

let state: WorkerState | null = null;

/** Opens the models. Answers with the error where one does not open. */
export async function load(task: LoadTask): Promise<LoadReply> {
  const engines: (Decoder | Encoder)[] = [];
  try {
    const decoders = new Map<string, LoadedModel>();
    const encoders = new Map<string, LoadedEncoder>();
    const loadTimesNs: number[] = [];
    for (const model of task.models) {
      const startedNs = process.hrtime.bigint();
      if (model.kind === 'decoder') decoders.set(model.id, await loadDecoder(model, engines));
      else encoders.set(model.id, await loadEncoder(model, engines));
      loadTimesNs.push(Number(process.hrtime.bigint() - startedNs));
    }
    // The threads of all: a request may run any of the models, and those it does not run do nothing.
    const threadIds = engines.map((engine) => engine.threadIds);
    const computing = threadIds.some((ids) => ids === null) ? null : threadIds.flatMap((ids) => ids ?? []);
    const cpuTime = requestCpuTime(openCpuClock(), computing, task.alone);
    const onGpu = task.models.some(({ device }) => device !== 'cpu');
    const peakMemory = onGpu ? openDevicePeakMemory(task.alone) : openPeakMemory(task.alone);
    const models: LoadedWorker['models'] = task.models.map(({ id }, index) => {
      const { record, terminationHandle } = engines[index]!;
      const loadNs = loadTimesNs[index]!;
      return { id, record, loadNs, terminationHandle, cpuTime: describeSensor(cpuTime) };
    });
    log('CPU time: %j', describeSensor(cpuTime));
    log('peak memory: %j', describeSensor(peakMemory));
    state = {
      clock: monotonicClock(task.originNs),
      control: controlOver(task.control),
      engines,
      resources: new Resources(decoders, encoders, await loadTerms(shippedTerms)),
      cpuTime,
      peakMemory,
      runQueueWait: computing === null ? null : openRunQueueWait(computing),
    };
    const memoryApart = 'begin' in peakMemory && peakMemory.apart;
    return { loaded: { models, peakMemory: describeSensor(peakMemory), memoryApart } };
  } catch (thrown) {
    for (const engine of engines) engine.close();
    return { error: threadError(thrown) };
  }
}

/**
 * Runs one request, and again until the counters have moved enough: they tick too seldom for a single short
 * one. It is repeated here, as on the way to the other thread and back the machine would idle for a part of
 * every tick. A request that fails is an answer, not an exception.
 */
export async function run(task: RunTask): Promise<RunReply> {
  if (!state) throw new Error('worker has not loaded its models');
  const { clock, control, resources, cpuTime, peakMemory, runQueueWait } = state;
  const chat = resources.decoder(task.modelId);
  const instruments = { clock, cpuTime: 'read' in cpuTime ? cpuTime.read : null };
  const request = { ...task.request, ...promptRows(task.request, chat) };
  const preparations: Preparation[] = [];
  const prepared = async (fromNs: Nanoseconds): Promise<RequestInput> => {
    const deadlineNs = task.deadlineMs === null ? null : fromNs + task.deadlineMs * 1e6;
    const input = { ...request, deadlineNs };
    const from = readInstruments(instruments);
    if (await prepareRequest(input, chat, resources)) {
      const to = readInstruments(instruments);
      preparations.push({ startedNs: from.atNs, endedNs: to.atNs, cpuNs: cpuBetween(from, to) });
    }
    return input;
  };
  const input = await prepared(task.submittedNs);
  const memory = 'begin' in peakMemory && peakMemory.apart === task.forMemory ? peakMemory : null;
  if (task.forMemory) resources.trim();
  memory?.begin();
  const waitedBefore = runQueueWait?.() ?? 0;
  const outcome = await runRequest(input, chat, instruments, control, resources);
  const waitedNs = runQueueWait === null ? null : runQueueWait() - waitedBefore;
  const aboveRest = memory?.end() ?? null;
  control.onRun();
  const submitted = preparations[0]?.endedNs ?? task.submittedNs;
  if (outcome.status === 'failed') return { row: failedRow(outcome, submitted), runs: [], preparations };
  const peakBytes = aboveRest !== null && aboveRest >= (outcome.work.kvBytes ?? 0) ? aboveRest : null;
  const memoryAbsence =
    peakBytes !== null || !('begin' in peakMemory) ? null : memory ? 'too-short' : 'not-sampled';
  const first = measuredRun(outcome);
  const again = async () => repeatRequest(await prepared(clock.now()), chat, instruments, control, resources);
  const onGpu = chat.decoder.record.device !== 'cpu';
  const { repeatForNs: windowNs } = task;
  const more = windowNs === null ? [] : await repeatRuns({ windowNs, first, onGpu, control, again });
  const row = {
    ...finishedRow(outcome, submitted, peakBytes),
    ...absentOf(outcome.work, memoryAbsence),
    ...(waitedNs !== null && { runQueueWait: waitedNs }),
  };
  return { row, runs: [first, ...more], preparations };
}

/** Reasons of absent figures; a metric that is unavailable as a whole says why itself. */
function absentOf(
  { flops }: { flops: number | null },
  memory: AbsenceReason | null,
): { absent?: Record<string, AbsenceReason> } {
  const absent: Record<string, AbsenceReason> = {
    ...(memory !== null && { peakMemory: memory }),
    ...(flops === null && notCounted),
  };
  return Object.keys(absent).length > 0 ? { absent } : {};
}

function failedRow({ code, message, times }: UnfinishedRequest, submitted: Nanoseconds): MeasuredRow {
  const outcome = { status: 'failed' as const, code, message };
  return { outcome, tokens: null, times: { submitted, ...times } };
}

function finishedRow(
  { tokens, times, tokenGapsNs, work, stages }: FinishedRequest,
  submitted: Nanoseconds,
  peakMemory: Bytes | null,
): MeasuredRow {
  return {
    outcome: { status: 'ok' },
    tokens,
    times: { submitted, ...times },
    tokenGapsNs,
    work: { ...work, peakMemory },
    stages,
  };
}

/** Closes the models, so that a worker's own sessions are gone before its thread is. */
export function unload(): void {
  for (const engine of state?.engines ?? []) engine.close();
  state = null;
}

async function loadDecoder(model: WorkerDecoder, engines: (Decoder | Encoder)[]): Promise<LoadedModel> {
  const { id, cost, costOfAllLogits, eosTokenIds } = model;
  const decoder = await openDecoder(model.source, openingOptions(model));
  engines.push(decoder);
  const { needsTokenizer, tokenizerDirectory } = model;
  const ownTokenizer = async () =>
    tokenizerDirectory === null ? decoder.tokenizer : await loadTokenizer(tokenizerDirectory);
  const tokenizer = needsTokenizer ? await ownTokenizer() : null;
  return { id, decoder, cost, costOfAllLogits, eosTokenIds, tokenizer };
}

async function loadEncoder(model: WorkerEncoder, engines: (Decoder | Encoder)[]): Promise<LoadedEncoder> {
  const { id, cost, tokenizerDirectory } = model;
  const encoder = await openEncoder(model.source, openingOptions(model));
  engines.push(encoder);
  const tokenizer =
    tokenizerDirectory === null ? encoder.tokenizer! : await loadTokenizer(tokenizerDirectory);
  return { id, encoder, cost, tokenizer };
}

function openingOptions({ backend, device, threads, sharedHandle }: WorkerDecoder | WorkerEncoder) {
  return { backend, device, threads, sharedHandle: sharedHandle ?? undefined };
}

function controlOver(control: Int32Array): WorkerControl {
  return {
    countersMoved: () => Atomics.load(control, controlFields.countersMoved) !== 0,
    onRun: () => void Atomics.add(control, controlFields.runsDone, 1),
    stopRequested: () => Atomics.load(control, controlFields.stopRequested) !== 0,
    onStep: () => void Atomics.add(control, controlFields.stepsDone, 1),
  };
}

/** Without the functions, which no message can carry. */
function describeSensor(sensor: SensorState): SensorState {
  return 'method' in sensor ? { method: sensor.method } : sensor;
}

function threadError(thrown: unknown): ThreadError {
  if (thrown instanceof TokenworkError) {
    const { code, message, hint } = thrown;
    return { code, message, hint };
  }
  return {
    code: 'model-load-failed',
    message: `A worker could not open its model: ${messageOf(thrown)}`,
    hint: 'See whether there is memory enough for the model and its sessions.',
  };
}

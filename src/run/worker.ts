/**
 * The worker thread: holds the models and runs one request at a time. ONNX Runtime computes on this
 * very thread, so that the thread's CPU clock is the request's.
 */
import { type Clock, monotonicClock } from '../core/clock.js';
import { exitCode, messageOf, TokenworkError } from '../core/errors.js';
import type { Bytes } from '../core/units.js';
import type { Decoder } from '../engines/engine.js';
import { openDecoder } from '../engines/onnx/open-decoder.js';
import { loadTokenizer } from '../models/tokenizer.js';
import type { Absence } from '../sensors/absence.js';
import { openCpuClock, type RequestCpuTime, requestCpuTime } from '../sensors/cpu-time.js';
import { openDevicePeakMemory } from '../sensors/device-peak-memory.js';
import { openPeakMemory, type PeakMemory } from '../sensors/memory.js';
import type { RequestControl } from '../stages/meter.js';
import type { LoadedModel } from '../stages/request.js';
import { runRequest } from '../stages/run-request.js';
import { syntheticTokenIds } from '../stages/synthetic-tokens.js';
import type { Prompt } from '../stages/tokenization.js';
import type { PromptSpec } from '../workload/plan.js';
import {
  controlFields,
  type LoadedWorker,
  type LoadReply,
  type LoadTask,
  type RunReply,
  type RunTask,
  type SensorState,
  type ThreadError,
  type WorkerModel,
} from './protocol.js';

interface ReadyModel extends LoadedModel {
  cpuTime: RequestCpuTime | Absence;
}

interface WorkerState {
  clock: Clock;
  control: RequestControl;
  models: Map<string, ReadyModel>;
  peakMemory: PeakMemory | Absence;
}

let state: WorkerState | null = null;

/** Opens the models. Answers with the error where one does not open. */
export async function load(task: LoadTask): Promise<LoadReply> {
  const opened: Decoder[] = [];
  try {
    const cpuClock = openCpuClock();
    const models = new Map<string, ReadyModel>();
    const described: LoadedWorker['models'] = [];
    for (const model of task.models) {
      const startedNs = process.hrtime.bigint();
      const decoder = await open(model);
      opened.push(decoder);
      const cpuTime = requestCpuTime(cpuClock, decoder.threadIds, task.alone);
      models.set(model.id, { ...model, decoder, cpuTime, tokenizer: await tokenizerOf(model) });
      const loadNs = Number(process.hrtime.bigint() - startedNs);
      const { record, terminationHandle } = decoder;
      described.push({ id: model.id, record, loadNs, terminationHandle, cpuTime: describeSensor(cpuTime) });
    }
    const onGpu = task.models.some(({ device }) => device !== 'cpu');
    const peakMemory = onGpu ? openDevicePeakMemory(task.alone) : openPeakMemory(task.alone);
    state = {
      clock: monotonicClock(task.originNs),
      control: controlOver(task.control),
      models,
      peakMemory,
    };
    return { loaded: { models: described, peakMemory: describeSensor(peakMemory) } };
  } catch (thrown) {
    for (const decoder of opened) decoder.close();
    return { error: threadError(thrown) };
  }
}

/** Runs one request. A request that fails is an answer, not an exception. */
export async function run(task: RunTask): Promise<RunReply> {
  const model = state?.models.get(task.modelId);
  if (!state || !model) throw new Error(`worker was not given the model ${task.modelId}`);
  const { clock, control, peakMemory } = state;
  const prompt = promptOf(task.request.prompt, model);
  const memory = 'begin' in peakMemory ? peakMemory : null;
  memory?.begin();
  const outcome = await runRequest(
    { ...task.request, prompt, deadlineNs: task.deadlineNs },
    model,
    { clock, cpuTime: 'read' in model.cpuTime ? model.cpuTime.read : null },
    control,
  );
  const peakBytes: Bytes | null = memory?.end() ?? null;
  if (outcome.status === 'failed') return outcome;
  const { completions: _, ...finished } = outcome;
  return { ...finished, peakMemory: peakBytes };
}

/** Closes the models, so that a worker's own sessions are gone before its thread is. */
export function unload(): void {
  for (const { decoder } of state?.models.values() ?? []) decoder.close();
  state = null;
}

function open(model: WorkerModel): Promise<Decoder> {
  const { backend, device, threads, sharedHandle } = model;
  return openDecoder(model, { backend, device, threads, ...(sharedHandle !== null && { sharedHandle }) });
}

async function tokenizerOf(model: WorkerModel): Promise<LoadedModel['tokenizer']> {
  return model.needsTokenizer ? loadTokenizer(model.directory) : null;
}

function promptOf(prompt: PromptSpec, { decoder, eosTokenIds }: LoadedModel): Prompt {
  if (prompt.kind === 'text') return prompt;
  const { tokens, seed } = prompt;
  const { vocabulary } = decoder;
  return { kind: 'ids', ids: syntheticTokenIds({ tokens, seed, vocabulary, avoid: eosTokenIds }) };
}

function controlOver(control: Int32Array): RequestControl {
  return {
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
    return { code, message, hint, exitCode: thrown.exitCode };
  }
  return {
    code: 'model-load-failed',
    message: `A worker could not open its model: ${messageOf(thrown)}`,
    hint: 'See whether there is memory enough for the model and its sessions.',
    exitCode: exitCode.unusableInput,
  };
}

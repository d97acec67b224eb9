import { setTimeout as wait } from 'node:timers/promises';
import { bytesOf, flopsOf, memoryTrafficOf } from '#tokenwork/core/cost.js';
import { messageOf } from '#tokenwork/core/errors.js';
import type { Ceilings } from '#tokenwork/core/result.js';
import type { Decoder, Device, EngineName } from '#tokenwork/engines/engine.js';
import { measureLlamaCeilings } from '#tokenwork/engines/llama/ceilings/ceilings.js';
import { measureDeviceCeilings } from '#tokenwork/engines/onnx/gpu/ceilings.js';
import { computesOn, openDecoder } from '#tokenwork/engines/open.js';
import { type Dtype, dtypes } from '#tokenwork/models/dtype.js';
import { resolveGguf } from '#tokenwork/models/gguf/resolve.js';
import { resolveModel } from '#tokenwork/models/resolve.js';
import { type ChosenDevice, chooseDevice } from '#tokenwork/run/gpu/choice.js';
import { gateModel } from '#tokenwork/run/gpu/gate.js';
import { fittingModels } from '#tokenwork/run/gpu/memory.js';
import { type DecoderFolder, decoderSourceOf } from '#tokenwork/run/local/models.js';
import { energyAgreement } from '#tokenwork/sampling/energy-agreement.js';
import { startSampler } from '#tokenwork/sampling/sampler.js';
import { SeriesStore } from '#tokenwork/sampling/series.js';
import { machineSensors } from '#tokenwork/sensors/catalogue.js';
import { openNvml } from '#tokenwork/sensors/nvidia/nvml-library.js';
import { alternatingRatios, summarise } from '../alternate.js';
import { decodeRate, promptIds, secondsOf, sequenceAfter } from '../decoding.js';
import type { Figure, Measured } from '../figure.js';
import { hitToMiss } from '../prefix-cache.js';

/** What is measured: fp16 is what GPUs are for, and a billion weights keep one busy. */
interface Subject {
  spec: string;
  dtype: Dtype;
  contextTokens: number;
  newTokens: number;
  promptTokens: number;
}
export const large: Subject = {
  spec: 'llama-3.2-1b',
  dtype: 'fp16',
  contextTokens: 512,
  newTokens: 64,
  promptTokens: 2048,
};
/** What a software GPU computes in seconds. */
export const small: Subject = {
  spec: 'tiny',
  dtype: 'fp16',
  contextTokens: 12,
  newTokens: 4,
  promptTokens: 12,
};
const rounds = 5;
const energySeconds = 60;

/** The GPU that a run would take. */
export function fastestGpu(wish: {
  device: Device | 'auto';
  engine: EngineName | 'auto';
}): Promise<ChosenDevice> {
  return chooseDevice({ ...wish, backend: 'native', needed: new Set() });
}

/**
 * What the owner of a GPU wants to know; left out, with the reason, where there is none. Whether there is one
 * is found out when the first of them is to be measured.
 */
export function gpuFigures(
  choose: () => Promise<ChosenDevice> = () => fastestGpu({ device: 'auto', engine: 'auto' }),
  subject = large,
): Figure[] {
  let chosen: Promise<ChosenDevice> | undefined;
  const find = () => {
    chosen ??= choose();
    return chosen;
  };
  const { spec, dtype, contextTokens, promptTokens } = subject;
  const what = `${spec} ${dtype}`;
  const unavailable = async () => whyNot(await find(), subject);
  const withGpu = async (
    use: (decoder: Decoder, model: DecoderFolder, gpu: ChosenDevice) => Promise<Measured>,
  ) => {
    const gpu = await find();
    const { device, engine } = gpu;
    if (device === 'cpu') throw new Error(gpu.reason);
    const folder = await (engine === 'llama' ? resolveGguf : resolveModel)(spec, { dtype });
    const { folder: model } = await gateModel<DecoderFolder>(
      { spec, folder },
      { device, prefixCache: true },
      {},
    );
    const decoder = await openDecoder(decoderSourceOf(model), { threads: 1, backend: 'native', device });
    try {
      return await use(decoder, model, gpu);
    } finally {
      decoder.close();
    }
  };
  return [
    {
      id: 'gpu-decode-mbu',
      what: `decode traffic ÷ streaming bandwidth of the GPU (MBU), ${what}, ${contextTokens} tokens of context`,
      target: 0.5,
      comparison: '>=',
      unavailable,
      measure: (say) =>
        withGpu(async (decoder, model, gpu) => {
          const rates = await decodeRates(decoder, subject);
          const { memoryBandwidth } = await ceilingsOf(gpu, model);
          if (memoryBandwidth === null) throw new Error('the GPU’s bandwidth could not be measured');
          const pastTokens = contextTokens + subject.newTokens / 2;
          const bytes = memoryTrafficOf(bytesOf(model.cost, { batch: 1, newTokens: 1, pastTokens }));
          say(
            `${(bytes / 1e9).toPrecision(3)} GB a token against ${(memoryBandwidth.value / 1e9).toPrecision(3)} GB/s (${memoryBandwidth.method})`,
          );
          return summarise(rates.map((rate) => (rate * bytes) / memoryBandwidth.value));
        }),
    },
    {
      id: 'gpu-prefill-mfu',
      what: `prefill FLOP/s ÷ rate of matrix products on the GPU (MFU), ${what}, ${promptTokens} tokens`,
      target: 0.4,
      comparison: '>=',
      unavailable,
      measure: (say) =>
        withGpu(async (decoder, model, gpu) => {
          const { executed } = flopsOf(model.cost, { batch: 1, newTokens: promptTokens, pastTokens: 0 });
          const seconds = await prefillSeconds(decoder, promptTokens);
          const gemm = (await ceilingsOf(gpu, model)).gemm[model.dtype];
          if (!gemm) throw new Error(`the GPU’s rate in ${model.dtype} could not be measured`);
          say(
            `${(executed / 1e12).toPrecision(3)} TFLOP a prompt against ${(gemm.value / 1e12).toPrecision(3)} TFLOP/s (${gemm.method})`,
          );
          return summarise(seconds.map((taken) => executed / taken / gemm.value));
        }),
    },
    {
      id: 'gpu-prefix-cache-hit',
      what: `time to first token, 1,024 tokens cached on the GPU + 16 new, ${what}: prefix cache hit ÷ miss`,
      target: 0.5,
      comparison: '<=',
      unavailable,
      measure: () => withGpu(async (decoder) => summarise(await hitToMiss(decoder, rounds))),
    },
    {
      id: 'gpu-sampling',
      what: `time of a decode with sampling on ÷ off, ${what}: alternating blocks, this machine’s sensors at their default rates`,
      target: 1.01,
      comparison: '<=',
      unavailable,
      measure: () => withGpu(async (decoder) => summarise(await sampledToUnsampled(decoder, subject))),
    },
    {
      id: 'gpu-energy',
      what: `NVML: energy counter ÷ power integrated over ${energySeconds} s of changing load`,
      target: [0.9, 1.1],
      comparison: 'within',
      unavailable: async () => (await unavailable()) ?? whyNoEnergy(),
      measure: (say) =>
        withGpu(async (decoder) => {
          const { ratio, low, high, counterJoules, powerJoules } = await minuteOfEnergy(decoder, subject);
          say(`${counterJoules.toFixed(0)} J counted, ${powerJoules.toFixed(0)} J integrated`);
          return { value: ratio, spread: [low, high] };
        }),
    },
  ];
}

async function whyNot(gpu: ChosenDevice, { spec, dtype }: Subject): Promise<string | null> {
  if (gpu.device === 'cpu') return gpu.reason;
  const { warnings } = await fittingModels([{ spec, dtype }], gpu);
  return warnings[0]?.message ?? null;
}

function whyNoEnergy(): string | null {
  try {
    const nvml = openNvml();
    try {
      nvml.gpus[0]?.energyMillijoules();
      nvml.gpus[0]?.powerMilliwatts();
      return nvml.gpus.length === 0 ? 'NVML sees no GPU' : null;
    } finally {
      nvml.close();
    }
  } catch (thrown) {
    return messageOf(thrown);
  }
}

/** The ceilings in the type of a model's weights, by the engine that runs it. */
function ceilingsOf(
  { device, engine, freeBytes, adapter }: ChosenDevice,
  { dtype }: DecoderFolder,
): Promise<Pick<Ceilings, 'memoryBandwidth' | 'gemm'>> {
  if (engine === 'llama' && computesOn('llama', device))
    return measureLlamaCeilings({ device, threads: 1, types: [dtype], freeBytes });
  if (device !== 'cuda' && device !== 'webgpu') throw new Error(`ONNX models do not run on ${device}`);
  const largestBufferBytes = adapter?.largestBufferBytes ?? null;
  const own = dtypes.filter((name) => name === dtype);
  return measureDeviceCeilings({ device, dtypes: own, freeBytes, largestBufferBytes });
}

/** Tokens/s of several rounds, after one that compiles the shaders. */
async function decodeRates(decoder: Decoder, { contextTokens, newTokens }: Subject): Promise<number[]> {
  const sequence = await sequenceAfter(decoder, contextTokens, newTokens);
  try {
    const rates: number[] = [];
    for (let round = 0; round <= rounds; round++)
      rates.push(await decodeRate(sequence, contextTokens, newTokens));
    return rates.slice(1);
  } finally {
    sequence.close();
  }
}

async function prefillSeconds(decoder: Decoder, promptTokens: number): Promise<number[]> {
  const sequence = decoder.open({ batch: 1, capacity: promptTokens });
  const ids = promptIds(promptTokens, decoder.vocabulary);
  try {
    const seconds: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      sequence.truncate(0);
      seconds.push(await secondsOf(() => sequence.step(ids)));
    }
    return seconds.slice(1);
  } finally {
    sequence.close();
  }
}

/** Before each block: a run's sampler, too, has long settled when it measures. */
const settleMs = 500;
const samplingRounds = 12;

/** Seconds of a decode beside the sampler ÷ without it, block by block. */
async function sampledToUnsampled(
  decoder: Decoder,
  { contextTokens, newTokens }: Subject,
): Promise<number[]> {
  const sequence = await sequenceAfter(decoder, contextTokens, newTokens);
  const block = async () => {
    await wait(settleMs);
    const rates: number[] = [];
    for (let count = 0; count < 3; count++) rates.push(await decodeRate(sequence, contextTokens, newTokens));
    return 1 / summarise(rates).value;
  };
  const sampled = async () => {
    const sensors = machineSensors();
    const sampler = await startSampler({ sensors, originNs: process.hrtime.bigint(), calibrateForNs: 3e8 });
    try {
      return await block();
    } finally {
      await sampler.stop();
    }
  };
  try {
    return await alternatingRatios(samplingRounds, sampled, block);
  } finally {
    sequence.close();
  }
}

/** A minute in which the GPU decodes for four seconds and rests for two, in turns. */
async function minuteOfEnergy(decoder: Decoder, { contextTokens, newTokens }: Subject) {
  const originNs = process.hrtime.bigint();
  const now = () => Number(process.hrtime.bigint() - originNs);
  const sampler = await startSampler({ sensors: [{ sensor: 'nvml' }], originNs });
  const sequence = await sequenceAfter(decoder, contextTokens, newTokens);
  const store = new SeriesStore();
  try {
    await wait(500);
    const startNs = now();
    const untilNs = startNs + energySeconds * 1e9;
    while (now() < untilNs) {
      const restNs = now() + 4e9;
      while (now() < Math.min(restNs, untilNs)) await decodeRate(sequence, contextTokens, newTokens);
      store.add(sampler.drain());
      await wait(Math.max(0, Math.min(2e9, untilNs - now())) / 1e6);
    }
    const endNs = now();
    await wait(500);
    const { sensors } = await sampler.stop();
    store.add(sampler.drain());
    const channels = sensors
      .flatMap((sensor) => sensor.channels)
      .map((channel) => ({ channel, series: store.of(channel.id) }));
    const agreement = energyAgreement(channels, 'gpu-0', startNs, endNs);
    if (agreement === null) throw new Error('the GPU has not both an energy counter and a power gauge');
    return agreement;
  } finally {
    sequence.close();
    await sampler.stop();
  }
}

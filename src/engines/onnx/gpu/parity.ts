import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Placement } from '../../../core/records/model.js';
import {
  type CheckedReads,
  type CheckedSteps,
  compareSteps,
  type DeviceCheck,
  runPasses,
  runSteps,
} from '../../checked-steps.js';
import type { OnnxDevice } from '../../engine.js';
import { NativeDecoder } from '../native/decoder.js';
import { NativeEncoder } from '../native/encoder.js';
import type { NativeOptions } from '../native/open-session.js';
import type { EncoderModel } from '../onnx-encoder.js';
import type { DecoderModel } from '../open-decoder.js';
import { readPlacement } from './placement.js';

const mostThreads = 8;

/**
 * The CPU's logits, to hold GPUs against. Throws what opening and running the model throw, and the signal's
 * reason.
 */
export async function cpuReference(
  model: DecoderModel | EncoderModel,
  reads: CheckedReads,
  signal?: AbortSignal,
): Promise<CheckedSteps> {
  // Nothing is measured yet, and a model of billions of weights takes one thread minutes.
  const threads = Math.min(mostThreads, availableParallelism());
  const subject = open(model, reads, { threads, backendReason: 'reference' });
  try {
    return await subject.steps(signal);
  } finally {
    subject.close();
  }
}

/**
 * Runs the model on the device, compares its logits with the reference and sees where its nodes ran.
 * `reference` is null where there is none to be had. Throws what opening and running the model throw, and the
 * signal's reason.
 */
export async function checkOnDevice(
  model: (DecoderModel | EncoderModel) & { dtype: string; graphVariant: string },
  { device, ...reads }: CheckedReads & { device: Exclude<OnnxDevice, 'cpu'> },
  reference: CheckedSteps | null,
  signal?: AbortSignal,
): Promise<DeviceCheck & { placement: Placement }> {
  const folder = mkdtempSync(join(tmpdir(), 'tokenwork-profile-'));
  try {
    const subject = open(model, reads, {
      threads: 1,
      device,
      profilePrefix: join(folder, 'run'),
      backendReason: 'check',
    });
    let steps: CheckedSteps;
    try {
      steps = await subject.steps(signal);
      subject.endProfile();
    } finally {
      subject.close();
    }
    const [profile] = readdirSync(folder);
    return {
      parity: compareSteps(steps, reference, model),
      placement: readPlacement(join(folder, profile!)),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Subject {
  steps(signal: AbortSignal | undefined): Promise<CheckedSteps>;
  endProfile(): void;
  close(): void;
}

function open(model: DecoderModel | EncoderModel, reads: CheckedReads, options: NativeOptions): Subject {
  const subjectOf = <Engine extends NativeDecoder | NativeEncoder>(
    engine: Engine,
    run: (engine: Engine, signal: AbortSignal | undefined) => Promise<CheckedSteps>,
  ): Subject => ({
    steps: (signal) => run(engine, signal),
    endProfile: () => void engine.endProfile(),
    close: () => engine.close(),
  });
  return 'decoder' in model
    ? subjectOf(new NativeDecoder(model, options), (decoder, signal) => runSteps(decoder, reads, signal))
    : subjectOf(new NativeEncoder(model, options), runPasses);
}

/** The one place that knows the engines: everything else is handed what they open. */
import type { EngineRecord } from '../core/records/model.js';
import type { Decoder, Device, Encoder, EngineName, OnnxDevice, OnnxOptions } from './engine.js';
import { engineDevices } from './engine.js';
import { LlamaDecoder, type LlamaDecoderModel } from './llama/decoder.js';
import { LlamaEncoder, type LlamaEncoderModel } from './llama/encoder.js';
import { raiseFlag } from './llama/termination.js';
import { requestTermination as terminateOnnxRun } from './onnx/native/run-options.js';
import type { EncoderModel } from './onnx/onnx-encoder.js';
import { type DecoderModel, openDecoder as openOnnxDecoder } from './onnx/open-decoder.js';
import { openEncoder as openOnnxEncoder } from './onnx/open-encoder.js';

/** The parts of a model that its engine needs. */
export type DecoderSource = ({ format: 'onnx' } & DecoderModel) | ({ format: 'gguf' } & LlamaDecoderModel);
export type EncoderSource = ({ format: 'onnx' } & EncoderModel) | ({ format: 'gguf' } & LlamaEncoderModel);
export type ModelFormat = DecoderSource['format'];

export interface OpenOptions {
  device: Device;
  /** Threads of each request. */
  threads: number;
  /** Of ONNX Runtime; llama.cpp has one. */
  backend: OnnxOptions['backend'];
  /** The session or model of another thread, which that thread closes after this one. */
  sharedHandle?: bigint | undefined;
}

/** The engine that runs files of a format. */
export const engineOf: Record<ModelFormat, EngineName> = { onnx: 'onnx', gguf: 'llama' };

/** Whether an engine computes on a device. */
export function computesOn<Name extends EngineName>(
  engine: Name,
  device: Device,
): device is (typeof engineDevices)[Name][number] {
  return (engineDevices[engine] as readonly Device[]).includes(device);
}

/** The device that a model of a run computes on: the run's, or the CPU where its engine has none of the kind. */
export function deviceOf(engine: EngineName, device: Device): Device {
  return computesOn(engine, device) ? device : 'cpu';
}

/** Opens a decoder on the run's device. Throws what its engine throws. */
export async function openDecoder(source: DecoderSource, options: OpenOptions): Promise<Decoder> {
  if (source.format === 'onnx') return openOnnxDecoder(source, onnxOptions(options));
  return new LlamaDecoder(source, llamaOptions(options));
}

/** Opens an encoder on the run's device. Throws what its engine throws. */
export async function openEncoder(source: EncoderSource, options: OpenOptions): Promise<Encoder> {
  if (source.format === 'onnx') return openOnnxEncoder(source, onnxOptions(options));
  return new LlamaEncoder(source, llamaOptions(options));
}

function llamaOptions({ threads, sharedHandle, device }: OpenOptions) {
  return { threads, sharedHandle, device: computesOn('llama', device) ? device : ('cpu' as const) };
}

function onnxOptions({ sharedHandle, device, ...same }: OpenOptions) {
  const own: OnnxDevice = computesOn('onnx', device) ? device : 'cpu';
  return { ...same, device: own, ...(sharedHandle !== undefined && { sharedHandle }) };
}

/** Whether the workers of a run share what a model holds in memory. */
export function sharesModel(
  engine: EngineName,
  { backend, threads, device }: { backend: 'native' | 'node'; threads: number; device: Device },
): boolean {
  // A session of ONNX Runtime computes on its own threads, and those are to be one request's.
  return engine === 'llama' || (backend === 'native' && (threads === 1 || device !== 'cpu'));
}

/** Stops the step that goes on in a model, or its next one; callable from any thread of the process. */
export function requestTermination({ name }: Pick<EngineRecord, 'name'>, handle: bigint): void {
  if (name === 'llama') raiseFlag(handle);
  else terminateOnnxRun(handle);
}

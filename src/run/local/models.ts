import type { Device, EngineName } from '../../engines/engine.js';
import {
  type DecoderSource,
  deviceOf,
  type EncoderSource,
  engineOf,
  type ModelFormat,
} from '../../engines/open.js';
import type { GraphVariant } from '../../models/build/graph-variant.js';
import type { EncoderFolder } from '../../models/encoder/folder.js';
import type { EncoderHead } from '../../models/encoder/recipe.js';
import { resolveEncoder } from '../../models/encoder/resolve.js';
import type { ModelFolder } from '../../models/folder.js';
import type { GgufEncoder } from '../../models/gguf/encoder.js';
import type { GgufFile } from '../../models/gguf/open.js';
import { resolveGguf } from '../../models/gguf/resolve.js';
import { locateModel, resolveModel } from '../../models/resolve.js';
import { type HelperModel, helperModels, modelIds } from '../../workload/models.js';
import type { Pipeline } from '../../workload/pipelines/pipeline.js';
import { identityOf, type RoleModel } from '../../workload/pipelines/roles.js';
import type { ChosenDevice } from '../gpu/choice.js';
import type { BenchOptions } from '../options.js';
import { tell } from '../progress.js';

/** A model of a run, under the name that cells and pipelines call it by. */
export type RunModel = RunDecoder | RunEncoder;

/** A decoder of either format. */
export type DecoderFolder = ModelFolder | GgufFile;

interface RunDecoder {
  id: string;
  /** Uses that the run has for it: `chat` answers the requests of cells, the others are roles in pipelines. */
  roles: string[];
  kind: 'decoder';
  folder: DecoderFolder;
}

interface RunEncoder {
  id: string;
  roles: string[];
  kind: 'classification' | 'embedding';
  folder: EncoderFolder | GgufEncoder;
}

export const chatRole = 'chat';

/** The parts of a decoder that its engine needs, and that can be sent to another thread. */
export function decoderSourceOf(folder: DecoderFolder): DecoderSource {
  const { contextLength } = folder;
  if (folder.format === 'onnx') {
    const { format, onnxPath, decoder } = folder;
    return { format, onnxPath, decoder, contextLength };
  }
  const { format, paths, cost } = folder;
  return { format, paths, contextLength, kvBytesPerPosition: cost.kvBytesPerToken };
}

/** The same of an encoder. */
export function encoderSourceOf(folder: RunEncoder['folder']): EncoderSource {
  const { contextLength } = folder;
  if (folder.format === 'onnx') {
    const { format, onnxPath, encoder, vocabulary } = folder;
    return { format, onnxPath, encoder, contextLength, vocabulary };
  }
  const { format, paths, poolsItself } = folder;
  return { format, paths, contextLength, poolsItself };
}

/**
 * The device that a model of a run computes on. Encoders in GGUF are small, and stay on the CPU: none is held against
 * it on a GPU.
 */
export function deviceOfModel({ kind, folder }: RunModel, device: Device): Device {
  return kind !== 'decoder' && folder.format === 'gguf' ? 'cpu' : deviceOf(engineOf[folder.format], device);
}

/** The folder of a model's tokenizer; null where the model's own file holds it. */
export function tokenizerDirectoryOf(folder: RunModel['folder']): string | null {
  return folder.format === 'onnx' ? folder.directory : folder.tokenizerDirectory;
}

type Wanted = HelperModel & { graphVariant?: GraphVariant | undefined };

/** The chat models, and behind them what the pipelines ask for; a model asked for as both is one. */
export function withHelpers(chat: readonly RoleModel[], pipelines: readonly Pipeline[]): HelperModel[] {
  const wanted = chat.map((model): HelperModel => ({ ...model, kind: 'decoder', roles: [chatRole] }));
  for (const helper of helperModels(pipelines)) {
    const same = wanted.find((model) => identityOf(model) === identityOf(helper));
    if (same) same.roles.push(...helper.roles);
    else wanted.push(helper);
  }
  return wanted;
}

/** The formats that models come in; null for a recipe, which is built in either. Throws as `locateModel` does. */
async function givenFormat(spec: string): Promise<ModelFormat | null> {
  const { kind } = await locateModel(spec);
  if (kind === 'gguf' || kind === 'hub-gguf') return 'gguf';
  return kind === 'recipe' ? null : 'onnx';
}

async function formatOf(spec: string, engine: EngineName): Promise<ModelFormat> {
  return (await givenFormat(spec)) ?? (engine === 'llama' ? 'gguf' : 'onnx');
}

/** The engines that decoders need, as their files are of one format. Throws as `locateModel` does. */
export async function neededEngines(models: readonly Pick<RoleModel, 'spec'>[]): Promise<Set<EngineName>> {
  const formats = await Promise.all(models.map(({ spec }) => givenFormat(spec)));
  return new Set(formats.flatMap((format) => (format === null ? [] : [engineOf[format]])));
}

/**
 * Makes models ready, each under a name of its own; recipes as the run's engine reads them. Throws what
 * resolving a model throws.
 */
export async function resolveModels(
  wanted: readonly Wanted[],
  { engine }: Pick<ChosenDevice, 'engine'>,
  { cacheDirectory, signal, onProgress }: BenchOptions,
): Promise<(RunModel & Wanted)[]> {
  const named: ((id: string) => RunModel & Wanted)[] = [];
  const folders: { id: string; dtype: string }[] = [];
  for (const [index, model] of wanted.entries()) {
    const { spec, dtype, graphVariant, kind } = model;
    const place = wanted.length > 1 ? ` (model ${index + 1} of ${wanted.length})` : '';
    const options = {
      dtype,
      cacheDirectory,
      signal,
      onProgress: ({ fraction, message }: { fraction: number; message: string }) =>
        tell(onProgress, 'models', `${message}${place}`, fraction),
    };
    if (kind === 'decoder') {
      const format = await formatOf(spec, engine);
      const folder =
        format === 'gguf'
          ? await resolveGguf(spec, options)
          : await resolveModel(spec, { ...options, graphVariant });
      folders.push(folder);
      named.push((id) => ({ ...model, id, kind, folder }));
    } else {
      const folder = await resolveEncoder(spec, { ...options, head: headOf(kind) });
      // Of one recipe there may be one with either head.
      folders.push(kind === 'classification' ? { ...folder, id: `${folder.id}-classifier` } : folder);
      named.push((id) => ({ ...model, id, kind, folder }));
    }
  }
  const ids = modelIds(folders);
  return named.map((under, index) => under(ids[index]!));
}

/** Harmless or harmful. */
const safetyLabels = 2;

function headOf(kind: 'classification' | 'embedding'): EncoderHead {
  return kind === 'embedding' ? { kind } : { kind, labels: safetyLabels };
}

import type { Warning } from '../../core/codes.js';
import { log } from '../../core/log.js';
import type { Nanoseconds } from '../../core/units.js';
import type { Decoder, Device, Encoder, EngineName } from '../../engines/engine.js';
import { chooseBackend, comparedWithinMs } from '../../engines/onnx/parity/choose-backend.js';
import type { BackendChoice, Parity } from '../../engines/onnx/parity/compare-logits.js';
import { engineOf, openDecoder, openEncoder, sharesModel } from '../../engines/open.js';
import type { JournalModel, LocalSettings } from '../../journal/entry.js';
import { readTokenizerFiles } from '../../models/tokenizer.js';
import { plainChat, readsText } from '../../stages/pipeline.js';
import type { PlannedCell } from '../../workload/plan.js';
import type { LoadedWorker, WorkerModel } from '../workers/protocol.js';
import {
  type DecoderFolder,
  decoderSourceOf,
  deviceOfModel,
  encoderSourceOf,
  type RunModel,
  tokenizerDirectoryOf,
} from './models.js';

/** The run's models, each with its back end chosen, and its session opened where workers share one. */
export interface OpenModels {
  workerModels: WorkerModel[];
  warnings: Warning[];
  /** Records of the models as the workers opened them. */
  records(loaded: LoadedWorker): JournalModel[];
  /** Closes the shared sessions; call it after the workers have ended. */
  close(): void;
}

interface OpenModel {
  model: RunModel;
  reason: string;
  parity: Parity | null;
  shared: Decoder | Encoder | null;
  sharedLoadNs: Nanoseconds;
}

/**
 * Chooses each model's back end, comparing both of ONNX Runtime, and opens one session for all workers where they
 * can share it. Then the weights are in memory once, and with one thread per request all computing happens on the
 * workers' own threads. Encoders run on the back end of the decoders, and on the CPU where ONNX Runtime does not
 * compute on the run's device. Throws what opening the models throws, and the signal's reason.
 */
export async function openModels(
  models: readonly RunModel[],
  cells: readonly PlannedCell[],
  settings: Pick<LocalSettings, 'backend' | 'device' | 'threads'>,
  signal?: AbortSignal,
): Promise<OpenModels> {
  const opened: OpenModel[] = [];
  const workerModels: WorkerModel[] = [];
  const warnings: Warning[] = [];
  const close = () => {
    for (const { shared } of opened) shared?.close();
  };
  let onnxBackend: 'native' | 'node' = 'native';
  const sharing = async <Opened extends Decoder | Encoder>(
    model: RunModel,
    opening: Pick<WorkerModel, 'backend' | 'device' | 'threads'>,
    { reason, parity }: Pick<BackendChoice, 'reason' | 'parity'>,
    open: () => Promise<Opened>,
  ): Promise<bigint | null> => {
    const startedNs = process.hrtime.bigint();
    const shared = sharesModel(engineOfModel(model), opening) ? await open() : null;
    const sharedLoadNs = shared ? Number(process.hrtime.bigint() - startedNs) : 0;
    opened.push({ model, reason, parity, shared, sharedLoadNs });
    return shared?.sharedHandle ?? null;
  };
  try {
    for (const model of [...models].sort(decodersFirst)) {
      const { id } = model;
      const { threads } = settings;
      const device = deviceOfModel(model, settings.device);
      if (model.kind === 'decoder') {
        const choice = await backEndOf(model.folder, { ...settings, device }, signal);
        if (model.folder.format === 'onnx') onnxBackend = choice.backend;
        log('back end of %s: %s (%s), parity %j', id, choice.backend, choice.reason, choice.parity);
        warnings.push(
          ...choice.warnings.map((warning) => ({ ...warning, message: `${id}: ${warning.message}` })),
        );
        const opening = { backend: choice.backend, device, threads };
        const source = decoderSourceOf(model.folder);
        const sharedHandle = await sharing(model, opening, choice, () => openDecoder(source, opening));
        const { cost, costOfAllLogits, eosTokenIds } = model.folder;
        workerModels.push({
          ...{ id, kind: 'decoder', ...opening, sharedHandle, source, cost, costOfAllLogits, eosTokenIds },
          needsTokenizer: needsTokenizer(id, cells),
          tokenizerDirectory: tokenizerDirectoryOf(model.folder),
        });
        if (readsMessages(id, cells) && !(await hasChatTemplate(model.folder)))
          warnings.push(joinedMessages(id));
      } else {
        const { folder, kind } = model;
        const isGguf = folder.format === 'gguf';
        const opening = isGguf
          ? { backend: 'native' as const, device, threads }
          : { backend: onnxBackend, device, threads };
        const source = encoderSourceOf(folder);
        const reason = isGguf ? ggufReason : `as the decoders: ${onnxBackend}`;
        const choice = { reason, parity: null };
        const sharedHandle = await sharing(model, opening, choice, () => openEncoder(source, opening));
        const tokenizerDirectory = tokenizerDirectoryOf(folder);
        workerModels.push({
          ...{ id, kind, ...opening, sharedHandle, source, tokenizerDirectory },
          cost: folder.cost,
        });
      }
    }
  } catch (thrown) {
    close();
    throw thrown;
  }
  const records = (loaded: LoadedWorker) =>
    loaded.models.map((state): JournalModel => {
      const { model, reason, parity, sharedLoadNs } = opened.find((one) => one.model.id === state.id)!;
      const { folder, kind, roles } = model;
      return {
        id: state.id,
        source: folder.source,
        sha256: folder.sha256,
        parameters: folder.cost.parameters,
        dtype: folder.dtype,
        graphVariant: kind === 'decoder' ? folder.graphVariant : 'encoder',
        contextLength: folder.contextLength,
        engine: { ...state.record, backendReason: reason },
        cost: folder.cost,
        loadNs: sharedLoadNs + state.loadNs,
        parity,
        roles,
      };
    });
  return { workerModels, warnings, records, close };
}

function decodersFirst(a: RunModel, b: RunModel): number {
  return Number(a.kind !== 'decoder') - Number(b.kind !== 'decoder');
}

const ggufReason = 'GGUF models run in llama.cpp';

function engineOfModel(model: RunModel): EngineName {
  return engineOf[model.folder.format];
}

async function backEndOf(
  folder: DecoderFolder,
  { backend, device, threads }: Pick<LocalSettings, 'backend' | 'threads'> & { device: Device },
  signal: AbortSignal | undefined,
): Promise<BackendChoice> {
  if (folder.format === 'gguf' || device === 'vulkan' || device === 'metal')
    return { backend: 'native', reason: ggufReason, parity: null, warnings: [] };
  return chooseBackend(
    folder,
    { backend, device, threads },
    { withinMs: comparedWithinMs(folder.cost.parameters), signal },
  );
}

/** Whether a request that the decoder takes part in has a text for a prompt, or a stage that reads texts. */
function needsTokenizer(id: string, cells: readonly PlannedCell[]): boolean {
  return cells.some(({ model, request: { prompt, pipeline = plainChat } }) => {
    const takesPart = model === id || Object.values(pipeline.models).includes(id);
    return takesPart && (prompt.kind === 'text' || readsText(pipeline));
  });
}

/** Whether a prompt that the decoder answers is messages. */
function readsMessages(id: string, cells: readonly PlannedCell[]): boolean {
  return cells.some(
    ({ model, request: { prompt } }) =>
      model === id && prompt.kind === 'text' && prompt.messages !== undefined,
  );
}

/** Of a GGUF file without a tokenizer beside it, the template inside counts. */
async function hasChatTemplate(folder: DecoderFolder): Promise<boolean> {
  const directory = tokenizerDirectoryOf(folder);
  if (directory !== null) return (await readTokenizerFiles(directory)).hasChatTemplate;
  return folder.format === 'gguf' && folder.hasChatTemplate;
}

function joinedMessages(id: string): Warning {
  return {
    code: 'messages-joined',
    message: `${id} has no chat template (in its GGUF file, tokenizer_config.json or chat_template.jinja), so it reads messages joined by blank lines, without their roles.`,
    hint: 'Put the template beside the model, to measure the tokens that a server would make of them.',
  };
}

import type { Warning } from '../core/codes.js';
import { log } from '../core/log.js';
import type { Nanoseconds } from '../core/units.js';
import type { Decoder, Encoder } from '../engines/engine.js';
import { openDecoder } from '../engines/onnx/open-decoder.js';
import { openEncoder } from '../engines/onnx/open-encoder.js';
import { chooseBackend, comparedWithinMs } from '../engines/onnx/parity/choose-backend.js';
import type { Parity } from '../engines/onnx/parity/compare-logits.js';
import type { JournalModel, Settings } from '../journal/entry.js';
import { plainChat, readsText } from '../stages/pipeline.js';
import type { PlannedCell } from '../workload/plan.js';
import type { RunModel } from './models.js';
import type { LoadedWorker, WorkerModel } from './workers/protocol.js';

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
 * Chooses each model's back end, comparing both, and opens one session for all workers where they can
 * share it: on a GPU, and with the native back end with one thread per request. Then the weights are in
 * memory once, and all computing happens on the workers' own threads. Encoders run on the back end and the
 * device of the decoders. Throws what opening the models throws, and the signal's reason.
 */
export async function openModels(
  models: readonly RunModel[],
  cells: readonly PlannedCell[],
  { backend: asked, device, threads }: Pick<Settings, 'backend' | 'device' | 'threads'>,
  signal?: AbortSignal,
): Promise<OpenModels> {
  const opened: OpenModel[] = [];
  const workerModels: WorkerModel[] = [];
  const warnings: Warning[] = [];
  const close = () => {
    for (const { shared } of opened) shared?.close();
  };
  let choice = { backend: 'native' as 'native' | 'node', reason: '' };
  const sharing = async <Engine extends Decoder | Encoder>(
    model: RunModel,
    parity: Parity | null,
    open: () => Promise<Engine>,
  ): Promise<bigint | null> => {
    const startedNs = process.hrtime.bigint();
    const shares = choice.backend === 'native' && (threads === 1 || device !== 'cpu');
    const shared = shares ? await open() : null;
    const sharedLoadNs = shared ? Number(process.hrtime.bigint() - startedNs) : 0;
    opened.push({ model, reason: choice.reason, parity, shared, sharedLoadNs });
    return shared?.sharedHandle ?? null;
  };
  try {
    for (const model of [...models].sort(decodersFirst)) {
      const { id } = model;
      if (model.kind === 'decoder') {
        const { folder } = model;
        const chosen = await chooseBackend(
          folder,
          { backend: asked, device, threads },
          { withinMs: comparedWithinMs(folder.cost.parameters), signal },
        );
        choice = chosen;
        log('back end of %s: %s (%s), parity %j', id, chosen.backend, chosen.reason, chosen.parity);
        warnings.push(
          ...chosen.warnings.map((warning) => ({ ...warning, message: `${id}: ${warning.message}` })),
        );
        const { backend } = choice;
        const sharedHandle = await sharing(model, chosen.parity, () =>
          openDecoder(folder, { backend, device, threads }),
        );
        const { decoder, costOfAllLogits, eosTokenIds } = folder;
        workerModels.push({
          ...common(model, { backend, device, threads, sharedHandle }),
          kind: 'decoder',
          decoder,
          costOfAllLogits,
          eosTokenIds,
          needsTokenizer: needsTokenizer(id, cells),
        });
      } else {
        const { folder, kind } = model;
        const { backend } = choice;
        const sharedHandle = await sharing(model, null, () =>
          openEncoder(folder, { backend, device, threads }),
        );
        const { encoder, vocabulary } = folder;
        workerModels.push({
          ...common(model, { backend, device, threads, sharedHandle }),
          kind,
          encoder,
          vocabulary,
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

function common(
  { id, folder }: RunModel,
  opening: Pick<WorkerModel, 'backend' | 'device' | 'threads' | 'sharedHandle'>,
) {
  const { directory, onnxPath, contextLength, cost } = folder;
  return { id, directory, onnxPath, contextLength, cost, ...opening };
}

/** Whether a request that the decoder takes part in has a text for a prompt, or a stage that reads texts. */
function needsTokenizer(id: string, cells: readonly PlannedCell[]): boolean {
  return cells.some(({ model, request: { prompt, pipeline = plainChat } }) => {
    const takesPart = model === id || Object.values(pipeline.models).includes(id);
    return takesPart && (prompt.kind === 'text' || readsText(pipeline));
  });
}

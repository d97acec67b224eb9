import type { Warning } from '../core/result.js';
import type { Nanoseconds } from '../core/units.js';
import type { Decoder } from '../engines/engine.js';
import { openDecoder } from '../engines/onnx/open-decoder.js';
import { chooseBackend, type Parity } from '../engines/onnx/parity.js';
import type { PlannedCell } from '../workload/plan.js';
import type { JournalModel, Settings } from './journal-entry.js';
import type { RunModel } from './prepare.js';
import type { LoadedWorker, WorkerModel } from './protocol.js';

/** The run's models, each with its back end chosen, and its session opened where workers share one. */
export interface Sessions {
  workerModels: WorkerModel[];
  warnings: Warning[];
  /** Records of the models as the workers opened them. */
  records(loaded: LoadedWorker): JournalModel[];
  /** Closes the shared sessions; call it after the workers have ended. */
  close(): void;
}

interface OpenModel extends RunModel {
  reason: string;
  parity: Parity | null;
  shared: Decoder | null;
  sharedLoadNs: Nanoseconds;
}

/**
 * Chooses each model's back end, comparing both, and opens one session for all workers where they can
 * share it: on a GPU, and with the native back end with one thread per request. Then the weights are in memory once, and all
 * computing happens on the workers' own threads.
 */
export async function openSessions(
  models: readonly RunModel[],
  cells: readonly PlannedCell[],
  { backend: asked, device, threads }: Pick<Settings, 'backend' | 'device' | 'threads'>,
): Promise<Sessions> {
  const opened: OpenModel[] = [];
  const workerModels: WorkerModel[] = [];
  const warnings: Warning[] = [];
  const close = () => {
    for (const { shared } of opened) shared?.close();
  };
  try {
    for (const model of models) {
      const { id, folder } = model;
      const choice = await chooseBackend(folder, { backend: asked, device, threads });
      warnings.push(
        ...choice.warnings.map((warning) => ({ ...warning, message: `${id}: ${warning.message}` })),
      );
      const { backend, reason, parity } = choice;
      const startedNs = process.hrtime.bigint();
      const shared =
        backend === 'native' && (threads === 1 || device !== 'cpu')
          ? await openDecoder(folder, { backend, device, threads })
          : null;
      const sharedLoadNs = shared ? Number(process.hrtime.bigint() - startedNs) : 0;
      opened.push({ ...model, reason, parity, shared, sharedLoadNs });
      workerModels.push({
        id,
        directory: folder.directory,
        onnxPath: folder.onnxPath,
        decoder: folder.decoder,
        contextLength: folder.contextLength,
        cost: folder.cost,
        costOfAllLogits: folder.costOfAllLogits,
        eosTokenIds: folder.eosTokenIds,
        backend,
        device,
        threads,
        sharedHandle: shared?.sharedHandle ?? null,
        needsTokenizer: cells.some((cell) => cell.model === id && cell.request.prompt.kind === 'text'),
      });
    }
  } catch (thrown) {
    close();
    throw thrown;
  }
  const records = (loaded: LoadedWorker) =>
    loaded.models.map((state): JournalModel => {
      const { folder, reason, parity, sharedLoadNs } = opened.find(({ id }) => id === state.id)!;
      return {
        id: state.id,
        source: folder.source,
        sha256: folder.sha256,
        parameters: folder.cost.parameters,
        dtype: folder.dtype,
        style: folder.style,
        contextLength: folder.contextLength,
        engine: { ...state.record, backendReason: reason },
        cost: folder.cost,
        loadNs: sharedLoadNs + state.loadNs,
        parity,
      };
    });
  return { workerModels, warnings, records, close };
}

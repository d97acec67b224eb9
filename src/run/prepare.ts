import { TokenworkError } from '../core/errors.js';
import type { Warning } from '../core/result.js';
import { type Style, styles } from '../models/build/style.js';
import type { ModelFolder } from '../models/folder.js';
import { resolveModel } from '../models/resolve.js';
import { expandSuite } from '../workload/expand.js';
import { expandTrace } from '../workload/expand-trace.js';
import { modelIds, wantedModels } from '../workload/models.js';
import type { PlannedCell, PlannedModel, WorkloadPlan } from '../workload/plan.js';
import { loadSuite, type Suite } from '../workload/suite.js';
import { readTrace } from '../workload/trace.js';
import { type ChosenDevice, chooseDevice } from './device.js';
import type { ModelOnDevice } from './device-gate.js';
import { fittingModels } from './device-memory.js';
import type { JournalHeader, Settings } from './journal-entry.js';
import type { BenchOptions } from './options.js';
import { tell } from './progress.js';
import { type ChosenSensors, chosenSensors, namedChoice, type SensorChoice } from './sensor-choice.js';

/** A model of a run, under the name that its cells call it by. */
export interface RunModel {
  id: string;
  folder: ModelFolder;
}

/** What is to be run, before anything has been opened. */
export interface PreparedRun {
  settings: Settings;
  suite: string;
  models: RunModel[];
  cells: PlannedCell[];
  sensors: ChosenSensors;
  chosen: ChosenDevice;
  /** By model; empty on the CPU, and before `fitToDevice`. */
  onDevice: ReadonlyMap<string, ModelOnDevice>;
  warnings: Warning[];
}

const defaultSuite = 'quick';
const defaultWarmup = 2;

/**
 * Reads the workload, makes its models ready and expands it over them. Throws what reading a suite or
 * trace and resolving a model throw, or TokenworkError `no-model`.
 */
export async function prepareRun(options: BenchOptions): Promise<PreparedRun> {
  const { sensors = 'auto', energy = false, validateAttribution: validate = false } = options;
  refuseUnsampled(options);
  const chosenSet = chosenSensors(sensors);
  const workload = await readWorkload(options);
  const asked = wantedModels(workload.suite, options);
  if (asked.length === 0) {
    throw new TokenworkError('no-model', 'A trace says nothing about models.', 'Name one with --model.');
  }
  tell(options.onProgress, 'machine', 'looking for a device');
  const chosen = await chooseDevice(options.device ?? 'auto', options.backend ?? 'auto');
  const { models: wanted, warnings: unfitting } = await fittingModels(asked, chosen);
  if (wanted.length === 0) {
    const { message, hint } = unfitting[0]!;
    throw new TokenworkError('device-out-of-memory', message, hint);
  }
  const folders = await resolveModels(wanted, options);
  const ids = modelIds(folders);
  const resolved = wanted.map(({ spec, dtype }, index) => ({
    id: ids[index]!,
    spec,
    dtype: dtype ?? null,
    folder: folders[index]!,
  }));
  const plan = workload.expand(
    resolved.map(({ id, spec, folder }) => ({ id, spec, contextLength: folder.contextLength })),
  );
  const used = resolved.filter(({ id }) => plan.cells.some((cell) => cell.model === id));
  return {
    settings: {
      workload: workload.asked,
      models: used.map(({ id, spec, dtype }) => ({ id, spec, dtype })),
      device: chosen.device,
      backend: options.backend ?? 'auto',
      threads: options.threads ?? 1,
      // Sharing takes two.
      concurrency: options.concurrency ?? Math.max(plan.concurrency, validate ? 2 : 1),
      repetitions: options.repetitions ?? plan.repetitions,
      seed: plan.seed,
      warmup: options.warmup ?? defaultWarmup,
      deadlineMs: options.deadlineMs ?? null,
      sampling: { sensors: namedChoice(sensors), energy, validate },
    },
    suite: plan.suite,
    models: used.map(({ id, folder }) => ({ id, folder })),
    cells: plan.cells,
    sensors: chosenSet,
    chosen,
    onDevice: new Map(),
    warnings: [...plan.warnings, ...unfitting, ...used.flatMap(({ folder }) => folder.notices)],
  };
}

function refuseUnsampled({ sensors, energy, validateAttribution, concurrency }: BenchOptions): void {
  const asked = energy ? '--energy' : validateAttribution ? '--validate-attribution' : null;
  if (asked !== null && sensors === 'none') {
    throw new TokenworkError(
      'bad-option',
      `${asked} needs sensors, and --sensors none leaves out all of them.`,
      'Leave out one of the two.',
    );
  }
  if (validateAttribution && concurrency === 1) {
    throw new TokenworkError(
      'bad-option',
      '--validate-attribution holds concurrent requests against the same alone, and --concurrency 1 has none.',
      'Use --concurrency 2 or more.',
    );
  }
}

interface Workload {
  asked: Settings['workload'];
  suite: Suite | null;
  expand(models: readonly PlannedModel[]): WorkloadPlan;
}

async function readWorkload({
  suite: name = defaultSuite,
  trace: file,
  seed,
}: BenchOptions): Promise<Workload> {
  const seeded = seed === undefined ? {} : { seed };
  if (file === undefined) {
    const suite = await loadSuite(name);
    return { asked: { suite: name }, suite, expand: (models) => expandSuite(suite, models, seeded) };
  }
  const { path, limit } = file;
  const trace = await readTrace(path, limit === undefined ? {} : { limit });
  return {
    asked: { trace: path, limit: limit ?? null },
    suite: null,
    expand: (models) => expandTrace(trace, models, seeded),
  };
}

/** The run of a journal, its models made ready again; the workload is the journal's own. */
export async function prepareResumed(header: JournalHeader, options: BenchOptions): Promise<PreparedRun> {
  const { settings, suite, cells, warnings } = header;
  const chosen = await chooseDevice(settings.device, settings.backend);
  const wanted = settings.models.map(({ spec, dtype, style }) => ({
    spec,
    dtype: dtype ?? undefined,
    style: styles.find((name) => name === style),
  }));
  const folders = await resolveModels(wanted, options);
  const models = settings.models.map(({ id }, index) => ({ id, folder: folders[index]! }));
  const sensors = chosenSensors(options.sensors ?? (settings.sampling.sensors as SensorChoice));
  return { settings, suite, models, cells, sensors, chosen, onDevice: new Map(), warnings };
}

async function resolveModels(
  wanted: readonly { spec: string; dtype: BenchOptions['dtype']; style?: Style | undefined }[],
  { cacheDirectory, signal, onProgress }: BenchOptions,
): Promise<ModelFolder[]> {
  const folders: ModelFolder[] = [];
  for (const { spec, dtype, style } of wanted) {
    folders.push(
      await resolveModel(spec, {
        dtype,
        style,
        cacheDirectory,
        signal,
        onProgress: ({ fraction, message }) =>
          onProgress?.({ phase: 'models', message, fraction, done: 0, total: 0, etaNs: null }),
      }),
    );
  }
  return folders;
}

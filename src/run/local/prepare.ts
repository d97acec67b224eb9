import { TokenworkError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import type { Question } from '../../core/question.js';
import type { RecordedWarning } from '../../core/result.js';
import type { LocalHeader, LocalSettings } from '../../journal/entry.js';
import { graphVariants } from '../../models/build/graph-variant.js';
import { loadTokenizer } from '../../models/tokenizer.js';
import { wantedModels } from '../../workload/models.js';
import { identityOf } from '../../workload/pipelines/roles.js';
import type { PlannedCell, PlannedModel } from '../../workload/plan.js';
import { type ChosenDevice, chooseDevice } from '../gpu/choice.js';
import type { ModelOnDevice } from '../gpu/gate.js';
import { fittingModels } from '../gpu/memory.js';
import type { BenchOptions } from '../options.js';
import { tell } from '../progress.js';
import {
  type ChosenSensors,
  chosenSensors,
  namedChoice,
  recordingPathOf,
  type SensorChoice,
} from '../sampling/choice.js';
import { readWorkload } from '../workload.js';
import { refuseUnexpectedBuilds } from './large-builds.js';
import {
  chatRole,
  neededEngines,
  type RunModel,
  resolveModels,
  tokenizerDirectoryOf,
  withHelpers,
} from './models.js';

/** A run's plan, before anything has been opened. */
export interface PreparedRun {
  settings: LocalSettings;
  suite: string;
  models: RunModel[];
  cells: PlannedCell[];
  questions: Question[];
  sensors: ChosenSensors;
  chosen: ChosenDevice;
  /** Keyed by model; empty on the CPU, and before `fitToDevice`. */
  onDevice: ReadonlyMap<string, ModelOnDevice>;
  warnings: RecordedWarning[];
}

export const defaultWarmup = 2;

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
    throw new TokenworkError(
      'no-model',
      'Neither a trace nor a file of prompts says anything about models.',
      'Name one with --model.',
    );
  }
  tell(options.onProgress, 'machine', 'looking for a device');
  const chosen = await chooseDevice({
    device: options.device ?? 'auto',
    engine: options.engine ?? 'auto',
    backend: options.backend ?? 'auto',
    needed: await neededEngines(asked),
  });
  if (workload.suite?.needsGpu && chosen.device === 'cpu' && options.device !== 'cpu')
    throw needsGpu(workload.suite.name, chosen.reason);
  const { models: wanted, warnings: unfitting } = await fittingModels(asked, chosen);
  log('memory fit: %d of %d models, %j', wanted.length, asked.length, unfitting);
  if (wanted.length === 0) {
    const { message, hint } = unfitting[0]!;
    throw new TokenworkError('device-memory-too-small', message, hint);
  }
  const all = withHelpers(wanted, workload.pipelines);
  await refuseUnexpectedBuilds(all, chosen.engine, options);
  const models = await resolveModels(all, chosen, options);
  const byIdentity = new Map(models.map((model) => [identityOf(model), model.id]));
  const planned: PlannedModel[] = [];
  for (const model of models.filter(({ roles }) => roles.includes(chatRole))) {
    const { id, spec, folder } = model;
    const countTokens = 'prompts' in workload.asked ? await tokenCounter(model) : undefined;
    planned.push({ id, spec, contextLength: folder.contextLength, countTokens });
  }
  const plan = workload.expand(planned, (model) => byIdentity.get(identityOf(model))!);
  const needed = new Set(plan.cells.flatMap(modelsOfCell));
  const used = models.filter(({ id }) => needed.has(id));
  return {
    settings: {
      workload: workload.asked,
      models: used.map(({ id, spec, dtype, kind, roles }) => ({
        id,
        spec,
        dtype: dtype ?? null,
        kind,
        roles,
      })),
      pipeline: options.pipeline ?? null,
      device: chosen.device,
      engine: chosen.engine,
      backend: options.backend ?? 'auto',
      threads: options.threads ?? 1,
      // Sharing takes two.
      concurrency: options.concurrency ?? Math.max(plan.concurrency, validate ? 2 : 1),
      repetitions: options.repetitions ?? plan.repetitions,
      budget: options.budget ?? plan.budgetSeconds ?? 'none',
      seed: plan.seed,
      warmup: options.warmup ?? defaultWarmup,
      deadlineMs: options.deadlineMs ?? null,
      sampling: { sensors: namedChoice(sensors), energy, validate },
    },
    suite: plan.suite,
    models: used,
    cells: plan.cells,
    questions: plan.questions,
    sensors: chosenSet,
    chosen,
    onDevice: new Map(),
    warnings: [...plan.warnings, ...unfitting, ...used.flatMap(({ folder }) => folder.notices)],
  };
}

/** Absent where only the engine can tell, as a GGUF file alone holds the tokenizer. Throws what reading a tokenizer throws. */
async function tokenCounter(model: RunModel): Promise<PlannedModel['countTokens']> {
  const directory = tokenizerDirectoryOf(model.folder);
  if (directory === null) return undefined;
  const { encode, encodeChat } = await loadTokenizer(directory);
  return ({ text, messages }) => (messages && encodeChat ? encodeChat(messages) : encode(text)).length;
}

/** Ids of the models that requests of a cell run: its own, and those its pipeline has roles for. */
export function modelsOfCell({ model, request }: PlannedCell): string[] {
  return [model, ...Object.values(request.pipeline?.models ?? {})];
}

function needsGpu(suite: string, reason: string): TokenworkError {
  return new TokenworkError(
    'gpu-needed',
    `The suite ${suite} is for a GPU, and would run on the CPU: ${reason}.`,
    'See `tokenwork doctor` for what is missing; --device cpu runs it on the CPU all the same.',
  );
}

export function refuseUnsampled(options: BenchOptions): void {
  const { sensors = 'auto', energy, validateAttribution, recordSensors, concurrency } = options;
  const asked = {
    '--energy': energy,
    '--validate-attribution': validateAttribution,
    '--record-sensors': recordSensors !== undefined,
  };
  const needing = Object.entries(asked).find(([, isAsked]) => isAsked)?.[0];
  if (needing !== undefined && sensors === 'none') {
    throw new TokenworkError(
      'bad-option',
      `${needing} needs sensors, and --sensors none leaves out all of them.`,
      'Leave out one of the two.',
    );
  }
  const isPlayed = recordingPathOf(sensors) !== null;
  if (isPlayed && validateAttribution) {
    throw new TokenworkError(
      'bad-option',
      '--validate-attribution tests counters of this machine, and a recording holds those of another.',
      'Leave out one of --validate-attribution and --sensors recorded:FILE.',
    );
  }
  if (isPlayed && recordSensors !== undefined) {
    throw new TokenworkError(
      'bad-option',
      '--record-sensors records this machine, and not a recording that is played.',
      'Leave out one of --record-sensors and --sensors recorded:FILE, or copy the file.',
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

/** The run of a journal, its models made ready again; the workload is the journal's own. */
export async function prepareResumed(header: LocalHeader, options: BenchOptions): Promise<PreparedRun> {
  const { settings, suite, cells, questions = [], warnings } = header;
  const { device, engine = 'onnx', backend } = settings;
  const answering = settings.models.filter(({ kind = 'decoder' }) => kind === 'decoder');
  const needed = await neededEngines(answering);
  const chosen = await chooseDevice({ device, engine: needed.size > 0 ? 'auto' : engine, backend, needed });
  const wanted = settings.models.map(
    ({ spec, dtype, graphVariant, kind = 'decoder', roles = [chatRole] }) => ({
      spec,
      dtype: dtype ?? undefined,
      graphVariant: graphVariants.find((name) => name === graphVariant),
      kind,
      roles,
    }),
  );
  const resolved = await resolveModels(wanted, { engine }, options);
  const models = settings.models.map(({ id }, index) => ({ ...resolved[index]!, id }));
  const choice = options.sensors ?? (settings.sampling.sensors as SensorChoice);
  refuseUnsampled({ ...options, sensors: choice });
  const sensors = chosenSensors(choice);
  return {
    settings,
    suite,
    models,
    cells,
    questions,
    sensors,
    chosen,
    onDevice: new Map(),
    warnings,
  };
}

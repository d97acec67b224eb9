import { TokenworkError } from '../core/errors.js';
import type { Question } from '../core/question.js';
import type { Warning } from '../core/result.js';
import type { EncoderFolder } from '../models/encoder-folder.js';
import type { EncoderHead } from '../models/encoder-recipe.js';
import type { ModelFolder } from '../models/folder.js';
import { resolveModel } from '../models/resolve.js';
import { resolveEncoder } from '../models/resolve-encoder.js';
import { expandSuite } from '../workload/expand.js';
import { expandTrace } from '../workload/expand-trace.js';
import { modelIds, type WantedModel, wantedModels } from '../workload/models.js';
import { loadPipeline, type Pipeline } from '../workload/pipeline.js';
import { type HelperModel, helperModels, identityOf } from '../workload/pipeline-models.js';
import type { ModelIdOf, PlannedCell, PlannedModel, WorkloadPlan } from '../workload/plan.js';
import { loadSuite, type Suite } from '../workload/suite.js';
import { readTrace } from '../workload/trace.js';
import type { JournalHeader, Settings } from './journal-entry.js';
import type { BenchOptions } from './options.js';
import { type ChosenSensors, chosenSensors, namedChoice, type SensorChoice } from './sensor-choice.js';

/** A model of a run, under the name that cells and pipelines call it by. */
export type RunModel = { id: string; roles: string[] } & (
  | { kind: 'decoder'; folder: ModelFolder }
  | { kind: 'classification' | 'embedding'; folder: EncoderFolder }
);

/** What is to be run, before anything has been opened. */
export interface PreparedRun {
  settings: Settings;
  suite: string;
  models: RunModel[];
  cells: PlannedCell[];
  questions: Question[];
  sensors: ChosenSensors;
  warnings: Warning[];
}

/** What the model of a cell is to it. */
const chatRole = 'chat';

const defaultSuite = 'quick';
const defaultWarmup = 2;

/**
 * Reads the workload, makes its models ready and expands it over them. Throws what reading a suite or
 * trace and resolving a model throw, or TokenworkError `no-model`.
 */
export async function prepareRun(options: BenchOptions): Promise<PreparedRun> {
  const { sensors = 'auto', energy = false, validateAttribution: validate = false } = options;
  refuseUnsampled(options);
  const chosen = chosenSensors(sensors);
  const workload = await readWorkload(options);
  const wanted = wantedModels(workload.suite, options);
  if (wanted.length === 0) {
    throw new TokenworkError('no-model', 'A trace says nothing about models.', 'Name one with --model.');
  }
  const models = await resolveModels(withHelpers(wanted, workload.pipelines), options);
  const byIdentity = new Map(models.map((model) => [identityOf(model), model.id]));
  const plan = workload.expand(
    models
      .filter(({ roles }) => roles.includes(chatRole))
      .map(({ id, spec, folder }) => ({ id, spec, contextLength: folder.contextLength })),
    (model) => byIdentity.get(identityOf(model))!,
  );
  const needed = new Set(
    plan.cells.flatMap(({ model, request }) => [model, ...Object.values(request.pipeline?.models ?? {})]),
  );
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
    models: used,
    cells: plan.cells,
    questions: plan.questions,
    sensors: chosen,
    warnings: [...plan.warnings, ...used.flatMap(({ folder }) => folder.notices)],
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
  /** All that its requests may go through. */
  pipelines: Pipeline[];
  expand(models: readonly PlannedModel[], modelIdOf: ModelIdOf): WorkloadPlan;
}

async function readWorkload({
  suite: named = defaultSuite,
  trace: file,
  pipeline: pipelineName,
  seed,
}: BenchOptions): Promise<Workload> {
  const pipeline = pipelineName === undefined ? undefined : await loadPipeline(pipelineName);
  const instead = pipeline === undefined ? [] : [pipeline];
  if (file === undefined) {
    const suite = typeof named === 'string' ? await loadSuite(named) : named;
    return {
      asked: { suite: typeof named === 'string' ? named : suite.name },
      suite,
      pipelines: [...instead, ...(pipeline ? [] : suite.pipelines.values())],
      expand: (models, modelIdOf) => expandSuite(suite, models, { seed, pipeline, modelIdOf }),
    };
  }
  const { path, limit } = file;
  const trace = await readTrace(path, limit === undefined ? {} : { limit });
  return {
    asked: { trace: path, limit: limit ?? null },
    suite: null,
    pipelines: instead,
    expand: (models, modelIdOf) => expandTrace(trace, models, { seed, pipeline, modelIdOf }),
  };
}

/** The run of a journal, its models made ready again; the workload is the journal's own. */
export async function prepareResumed(header: JournalHeader, options: BenchOptions): Promise<PreparedRun> {
  const { settings, suite, cells, questions = [], warnings } = header;
  const wanted = settings.models.map(({ spec, dtype, kind = 'decoder', roles = [chatRole] }) => {
    return { spec, dtype: dtype ?? undefined, kind, roles };
  });
  const resolved = await resolveModels(wanted, options);
  const models = settings.models.map(({ id }, index) => ({ ...resolved[index]!, id }));
  const sensors = chosenSensors(options.sensors ?? (settings.sampling.sensors as SensorChoice));
  return { settings, suite, models, cells, questions, sensors, warnings };
}

/** The chat models, and behind them what the pipelines ask for; a model asked for as both is one. */
function withHelpers(chat: readonly WantedModel[], pipelines: readonly Pipeline[]): HelperModel[] {
  const wanted = chat.map((model): HelperModel => ({ ...model, kind: 'decoder', roles: [chatRole] }));
  for (const helper of helperModels(pipelines)) {
    const same = wanted.find((model) => identityOf(model) === identityOf(helper));
    if (same) same.roles.push(...helper.roles);
    else wanted.push(helper);
  }
  return wanted;
}

async function resolveModels(
  wanted: readonly HelperModel[],
  { cacheDirectory, signal, onProgress }: BenchOptions,
): Promise<(RunModel & HelperModel)[]> {
  const resolved: ((model: { id: string }) => RunModel & HelperModel)[] = [];
  const folders: { id: string; dtype: string }[] = [];
  for (const model of wanted) {
    const { spec, dtype, kind } = model;
    const options = {
      dtype,
      cacheDirectory,
      signal,
      onProgress: ({ fraction, message }: { fraction: number; message: string }) =>
        onProgress?.({ phase: 'models', message, fraction, done: 0, total: 0, etaNs: null }),
    };
    if (kind === 'decoder') {
      const folder = await resolveModel(spec, options);
      folders.push(folder);
      resolved.push(({ id }) => ({ ...model, id, kind, folder }));
    } else {
      const folder = await resolveEncoder(spec, { ...options, head: headOf(kind) });
      // Of one recipe there may be one with either head.
      folders.push(kind === 'classification' ? { ...folder, id: `${folder.id}-classifier` } : folder);
      resolved.push(({ id }) => ({ ...model, id, kind, folder }));
    }
  }
  const ids = modelIds(folders);
  return resolved.map((build, index) => build({ id: ids[index]! }));
}

/** Harmless or harmful. */
const safetyLabels = 2;

function headOf(kind: 'classification' | 'embedding'): EncoderHead {
  return kind === 'embedding' ? { kind } : { kind, labels: safetyLabels };
}

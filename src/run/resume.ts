import { resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Warning } from '../core/codes.js';
import { TokenworkError } from '../core/errors.js';
import type {
  JournalEntry,
  JournalHeader,
  LocalSettings,
  ServedSettings,
  Settings,
} from '../journal/entry.js';
import type { PlayedRecording } from '../journal/samples.js';
import type { ModelFolder } from '../models/folder.js';
import { benchOptions, type RepeatedOption, type RunOptions } from '../workload/options/bench-options.js';
import { suiteName } from '../workload/suite.js';
import type { ChosenDevice } from './gpu/choice.js';
import { type BenchOptions, type RecordedOptions, runOptionsOf } from './options.js';
import { namedChoice } from './sampling/choice.js';

interface Difference {
  what: string;
  before: unknown;
  now: unknown;
}

/** The settings of either kind of run; those of the other are not there. */
type Kept = Pick<Settings, 'workload' | 'sampling' | 'deadlineMs'> &
  Partial<Omit<LocalSettings, 'models' | 'dtype'>> &
  Partial<Omit<ServedSettings, 'models'>> & {
    models: readonly { spec: string; dtype?: string | null; roles?: string[] | undefined }[];
  };
type SameInBoth = RepeatedOption & keyof Kept & keyof BenchOptions;
type Comparison = (settings: Kept, options: BenchOptions) => Omit<Difference, 'what'>;

/** The comparison of an option with the setting that a run began with; most are kept by the option's own name. */
const comparisons: Record<Exclude<RepeatedOption, SameInBoth>, Comparison> &
  Partial<Record<SameInBoth, Comparison>> = {
  suite: ({ workload }, { suite }) => ({
    before: 'suite' in workload ? workload.suite : null,
    now: typeof suite === 'object' ? suiteName(suite) : suite,
  }),
  trace: ({ workload }, { trace }) => ({
    before: 'trace' in workload ? resolve(workload.trace) : null,
    now: trace && resolve(trace.path),
  }),
  prompts: ({ workload }, { prompts }) => ({
    before: 'prompts' in workload ? resolve(workload.prompts) : null,
    now: prompts && resolve(prompts.path),
  }),
  answerTokens: ({ workload }, { prompts }) => ({
    before: 'prompts' in workload ? workload.answerTokens : null,
    now: prompts?.answerTokens,
  }),
  limit: ({ workload }, { trace, prompts }) => ({
    before: 'suite' in workload ? null : workload.limit,
    now: (trace ?? prompts)?.limit,
  }),
  model: (settings, { models = [] }) => ({
    before: chatModels(settings)
      .map(({ spec }) => spec)
      .join(', '),
    now: models.length > 0 ? models.join(', ') : undefined,
  }),
  pipeline: ({ pipeline = null }, options) => ({ before: pipeline, now: options.pipeline }),
  device: (settings, { device }) => ({
    before: settings.device ?? null,
    now: device === 'auto' ? undefined : device,
  }),
  engine: (settings, { engine }) => ({
    before: settings.engine ?? ('endpoint' in settings ? null : 'onnx'),
    now: engine === 'auto' ? undefined : engine,
  }),
  dtype: (settings, { dtype }) => ({
    before:
      'endpoint' in settings
        ? settings.dtype
        : (chatModels(settings).find((model) => model.dtype !== null && model.dtype !== dtype)?.dtype ??
          dtype),
    now: dtype,
  }),
  deadline: ({ deadlineMs }, options) => ({ before: deadlineMs, now: options.deadlineMs }),
  sensors: ({ sampling }, { sensors }) => ({
    before: sampling.sensors,
    now: sensors && namedChoice(sensors),
  }),
  energy: ({ sampling }, { energy }) => ({ before: sampling.energy, now: energy }),
  validateAttribution: ({ sampling }, options) => ({
    before: sampling.validate,
    now: options.validateAttribution,
  }),
};

const chatModels = ({ models }: Kept) => models.filter(({ roles }) => roles?.includes('chat') ?? true);

/**
 * Refuses options that contradict those of a run of which nothing was measured; what is left out is as it was.
 * Throws TokenworkError `resume-differs`, naming every difference.
 */
export function refuseOtherBeginning(begun: RunOptions, options: BenchOptions): void {
  const given = runOptionsOf(options);
  if (given === null) refuse([{ what: 'suite or sensors', before: 'named', now: 'an object' }]);
  refuse(
    Object.entries(benchOptions).flatMap(([name, option]) => {
      if (!('repeated' in option)) return [];
      const [before, now] = [begun[name as RepeatedOption], given?.[name as RepeatedOption]];
      // The command line gives it where the user does not.
      if (now === undefined || (name === 'device' && now === 'auto')) return [];
      return isDeepStrictEqual(now, before)
        ? []
        : [{ what: option.repeated, before: before ?? 'not given', now }];
    }),
  );
}

/**
 * Refuses options that contradict the run that is to be resumed; what is left out is as it was. Throws
 * TokenworkError `resume-differs`, naming every difference.
 */
export function refuseOtherOptions(
  { settings }: Pick<JournalHeader, 'settings'>,
  options: BenchOptions,
): void {
  const differences = Object.entries(benchOptions).flatMap(([name, option]) => {
    if (!('repeated' in option)) return [];
    const compare = comparisons[name as RepeatedOption];
    const kept: Kept = settings;
    const { before, now } = compare?.(kept, options) ?? {
      before: kept[name as SameInBoth],
      now: options[name as SameInBoth],
    };
    return now === undefined || isDeepStrictEqual(now, before)
      ? []
      : [{ what: option.repeated, before, now }];
  });
  refuse(differences);
}

/** Refuses models whose files have changed. Throws TokenworkError `resume-differs`. */
export function refuseOtherModels(
  header: Pick<JournalHeader, 'models'>,
  models: readonly { id: string; folder: Pick<ModelFolder, 'sha256'> }[],
): void {
  refuse(
    header.models.flatMap(({ id, sha256 }) => {
      const now = models.find((model) => model.id === id)?.folder.sha256;
      return now === sha256 ? [] : [{ what: `SHA-256 of ${id}`, before: sha256, now }];
    }),
  );
}

/** Refuses another engine than measured the first part. Throws TokenworkError `resume-differs`. */
export function refuseOtherEngines(
  header: JournalHeader,
  engines: readonly { id: string; engine: { backend: string; device: string; version: string } }[],
): void {
  refuse(
    header.models.flatMap(({ id, engine }) => {
      const now = engines.find((model) => model.id === id)?.engine;
      return (['backend', 'device', 'version'] as const).flatMap((field) =>
        now?.[field] === engine[field]
          ? []
          : [{ what: `engine ${field} of ${id}`, before: engine[field], now: now?.[field] }],
      );
    }),
  );
}

/**
 * Refuses another GPU than measured the first part: nothing of it was held against the CPU. Throws
 * TokenworkError `resume-differs`.
 */
export function refuseOtherGpu(header: JournalHeader, { adapter }: Pick<ChosenDevice, 'adapter'>): void {
  const before = header.models.flatMap(({ engine }) => engine.adapter ?? []).at(0)?.name;
  const now = adapter?.name;
  refuse(before === undefined || before === now ? [] : [{ what: 'GPU', before, now: now ?? 'not known' }]);
}

/** Refuses another recording than stood in for the machine before. Throws TokenworkError `resume-differs`. */
export function refuseOtherRecording(entries: Iterable<JournalEntry>, now: PlayedRecording | null): void {
  let before: PlayedRecording | null = null;
  for (const entry of entries) {
    if (entry.kind !== 'sampling') continue;
    before = entry.recorded;
    break;
  }
  if (!before || !now || before.sha256 === now.sha256) return;
  refuse([{ what: `SHA-256 of ${before.file}`, before: before.sha256, now: now.sha256 }]);
}

/**
 * A recording is played from its beginning by each process that goes on with a run: there is no moment of
 * it that the time between them would correspond to. What each process measured is drawn from its own
 * playing alone, so no counter is followed from the one into the other.
 */
export function recordingRestarted(recorded: PlayedRecording | null): Warning[] {
  if (recorded === null) return [];
  return [
    {
      code: 'recording-restarted',
      message: `${recorded.file} was played from its beginning again when the run went on.`,
      hint: 'Requests from before and after lie beside the same part of it; start anew to play it once.',
    },
  ];
}

/** Warnings of what may differ, but must be said. */
export function resumeWarnings(
  header: JournalHeader,
  hardwareId: string,
  tool: RecordedOptions['tool'],
): Warning[] {
  const hint = 'Figures from before and after are mixed in every cell; measure anew to compare them.';
  const warnings: Warning[] = [];
  if (hardwareId !== header.hardware.id) {
    const message = `The run began on ${header.hardware.id} and went on on ${hardwareId}.`;
    warnings.push({ code: 'machine-changed', message, hint });
  }
  const named = ({ version, commit }: RecordedOptions['tool']) =>
    commit ? `${version} (${commit})` : version;
  if (named(tool) !== named(header.tool)) {
    const message = `The run began with tokenwork ${named(header.tool)} and went on with ${named(tool)}.`;
    warnings.push({ code: 'tool-changed', message, hint });
  }
  return warnings;
}

function refuse(differences: readonly Difference[]): void {
  if (differences.length === 0) return;
  const list = differences
    .map(({ what, before, now }) => `${what} was ${before ?? 'not given'} and is ${now}`)
    .join('; ');
  throw new TokenworkError(
    'resume-differs',
    `The run cannot go on as it began: ${list}.`,
    'Resume it with the same options and models, or start a new run with another --out.',
  );
}

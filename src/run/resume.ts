import { resolve } from 'node:path';
import type { Warning } from '../core/codes.js';
import { TokenworkError } from '../core/errors.js';
import type { JournalEntry, JournalHeader, Settings } from '../journal/entry.js';
import type { PlayedSession } from '../journal/samples.js';
import type { ModelFolder } from '../models/folder.js';
import type { ChosenDevice } from './gpu/choice.js';
import type { BenchOptions } from './options.js';
import { namedChoice } from './sampling/choice.js';

interface Difference {
  what: string;
  before: unknown;
  now: unknown;
}

/**
 * Refuses options that contradict the run that is to be resumed; what is left out is as it was. Throws
 * TokenworkError `resume-differs`, naming every difference.
 */
export function refuseOtherOptions({ settings }: JournalHeader, options: BenchOptions): void {
  const { workload, models } = settings;
  const asked: Difference[] = [
    {
      what: 'suite',
      before: 'suite' in workload ? workload.suite : null,
      now: typeof options.suite === 'object' ? options.suite.name : options.suite,
    },
    {
      what: 'trace',
      before: 'trace' in workload ? resolve(workload.trace) : null,
      now: options.trace && resolve(options.trace.path),
    },
    { what: 'pipeline', before: settings.pipeline ?? null, now: options.pipeline },
    { what: 'limit', before: 'trace' in workload ? workload.limit : null, now: options.trace?.limit },
    {
      what: 'model',
      before: models
        .filter(({ roles }) => roles?.includes('chat') ?? true)
        .map(({ spec }) => spec)
        .join(', '),
      now: options.models?.length ? options.models.join(', ') : undefined,
    },
  ];
  if (options.device !== undefined && options.device !== 'auto')
    asked.push({ what: 'device', before: settings.device, now: options.device });
  const { sampling } = settings;
  asked.push(
    { what: 'sensors', before: sampling.sensors, now: options.sensors && namedChoice(options.sensors) },
    { what: 'energy', before: sampling.energy, now: options.energy },
    { what: 'validate-attribution', before: sampling.validate, now: options.validateAttribution },
  );
  const simple = [
    'backend',
    'threads',
    'concurrency',
    'repetitions',
    'seed',
    'warmup',
    'deadlineMs',
  ] as const;
  for (const what of simple satisfies readonly (keyof Settings & keyof BenchOptions)[]) {
    asked.push({ what, before: settings[what], now: options[what] });
  }
  if (options.dtype !== undefined) {
    const chat = models.filter(({ roles }) => roles?.includes('chat') ?? true);
    const other = chat.find(({ dtype }) => dtype !== null && dtype !== options.dtype);
    if (other) asked.push({ what: 'dtype', before: other.dtype, now: options.dtype });
  }
  refuse(asked.filter(({ before, now }) => now !== undefined && now !== before));
}

/** Refuses models whose files have changed. Throws TokenworkError `resume-differs`. */
export function refuseOtherModels(
  header: JournalHeader,
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
export function refuseOtherSession(entries: readonly JournalEntry[], now: PlayedSession | null): void {
  const before = entries.find((entry) => entry.kind === 'sampling')?.recorded;
  if (!before || !now || before.sha256 === now.sha256) return;
  refuse([{ what: `SHA-256 of ${before.file}`, before: before.sha256, now: now.sha256 }]);
}

/**
 * A recording is played from its beginning by each process that goes on with a run: there is no moment of
 * it that the time between them would correspond to. What each process measured is drawn from its own
 * playing alone, so no counter is followed from the one into the other.
 */
export function sessionRestarted(recorded: PlayedSession | null): Warning[] {
  if (recorded === null) return [];
  return [
    {
      code: 'recording-restarted',
      message: `${recorded.file} was played from its beginning again when the run went on.`,
      hint: 'Requests from before and after lie beside the same part of it; start anew to play it once.',
    },
  ];
}

/** What may differ, but must be said. */
export function resumeWarnings(
  header: JournalHeader,
  hardwareId: string,
  tool: BenchOptions['tool'],
): Warning[] {
  const hint = 'Figures from before and after are mixed in every cell; measure anew to compare them.';
  const warnings: Warning[] = [];
  if (hardwareId !== header.hardware.id) {
    const message = `The run began on ${header.hardware.id} and went on on ${hardwareId}.`;
    warnings.push({ code: 'machine-changed', message, hint });
  }
  const named = ({ version, commit }: BenchOptions['tool']) => (commit ? `${version} (${commit})` : version);
  if (named(tool) !== named(header.tool)) {
    const message = `The run began with tokenwork ${named(header.tool)} and went on with ${named(tool)}.`;
    warnings.push({ code: 'tool-changed', message, hint });
  }
  return warnings;
}

function refuse(differences: readonly Difference[]): void {
  if (differences.length === 0) return;
  const list = differences.map(({ what, before, now }) => `${what} was ${before} and is ${now}`).join('; ');
  throw new TokenworkError(
    'resume-differs',
    `The run cannot go on as it began: ${list}.`,
    'Resume it with the same options and models, or start a new run with another --out.',
  );
}

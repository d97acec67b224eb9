/**
 * run/: worker pool + schedule + journal → a result file. Everything that is measured passes through the
 * journal, and the result is the journal folded; so a run can be killed at any moment and go on later.
 */
import { randomUUID } from 'node:crypto';
import { basename, resolve } from 'node:path';
import { exitCode } from '../core/codes.js';
import { TokenworkError } from '../core/errors.js';
import type { Result } from '../core/result.js';
import { foldJournal } from '../fold/result.js';
import { runOnGpu } from '../fold/sampling.js';
import { Journal, journalNamed, journalPathOf, resultPathOf } from '../journal/append.js';
import { type JournalModel, journalVersion } from '../journal/entry.js';
import { lockJournal } from '../journal/lock.js';
import { readJournal } from '../journal/read.js';
import { isPending, stateOf, validationOf } from '../journal/state.js';
import { withoutHome } from '../sensors/figure-settings.js';
import { type Inventory, takeInventory } from '../sensors/inventory.js';
import { ceilingsFor } from './ceilings.js';
import { fitToDevice, withDevice } from './gpu/fit.js';
import { environmentOf, oversubscribed } from './machine.js';
import { metricsTable } from './metrics.js';
import type { BenchOptions } from './options.js';
import { type PreparedRun, prepareResumed, prepareRun } from './prepare.js';
import { tell } from './progress.js';
import { refuseOtherThanFile, writeResult } from './result-file.js';
import {
  refuseOtherEngines,
  refuseOtherGpu,
  refuseOtherModels,
  refuseOtherOptions,
  refuseOtherSession,
  resumeWarnings,
  sessionRestarted,
} from './resume.js';
import { describeMachine, SessionRecorder } from './sampling/recorder.js';
import type { SamplingSession } from './sampling/start.js';
import { interruptedEarly, refuseStopped, runSegment } from './segment.js';

/** A finished run. */
export interface BenchOutcome {
  result: Result;
  /** Where it was written. */
  path: string;
}

/**
 * Measures a workload and writes its result. Throws TokenworkError: with exit code 2 for what cannot be
 * run, before anything is measured; with exit code 3 where measuring was cut short (`interrupted`,
 * `journal-unwritable`, `result-unwritable` …), when all that has finished can be resumed.
 */
export async function runBench(options: BenchOptions): Promise<BenchOutcome> {
  try {
    return await (options.resume === undefined ? startRun(options) : resumeRun(options, options.resume));
  } catch (thrown) {
    const incomplete = thrown instanceof TokenworkError && thrown.exitCode === exitCode.incomplete;
    if (incomplete || !options.signal?.aborted) throw thrown;
    // Whatever the phase that was stopped throws for it.
    throw interruptedEarly(thrown, options.resume);
  }
}

async function startRun(options: BenchOptions): Promise<BenchOutcome> {
  const startedAt = new Date();
  const path = resolve(options.out ?? defaultPath(options, startedAt));
  refuseOtherThanFile(path);
  const unlock = lockJournal(journalPathOf(path));
  try {
    return await recording(options, path, (recorder) => measureNew(options, path, startedAt, recorder));
  } finally {
    unlock();
  }
}

/** Runs with the recorder that was asked for, and closes it however the run ends. */
async function recording(
  { recordSensors }: BenchOptions,
  path: string,
  run: (recorder: SessionRecorder | null) => Promise<BenchOutcome>,
): Promise<BenchOutcome> {
  if (recordSensors === undefined) return run(null);
  const recorder = SessionRecorder.create(recordSensors, [path, journalPathOf(path)]);
  try {
    return await run(recorder);
  } finally {
    recorder.close();
  }
}

async function measureNew(
  options: BenchOptions,
  path: string,
  startedAt: Date,
  recorder: SessionRecorder | null,
): Promise<BenchOutcome> {
  const originNs = process.hrtime.bigint();
  const journal = Journal.create(journalPathOf(path));
  try {
    const prepared = await fitToDevice(await prepareRun(options), options);
    const { settings, suite, cells, questions } = prepared;
    refuseStopped(options);
    tell(options.onProgress, 'machine', 'taking stock of this machine');
    const inventory = await takeInventory();
    const ceilings = options.ceilings === false ? null : await ceilingsFor(prepared, inventory.usableCores);
    await runSegment({
      prepared,
      journal,
      originNs,
      ceilings,
      finished: new Set(),
      crashes: new Map(),
      validation: validationOf([]),
      options,
      recorder,
      onReady: ({ loaded, records, sensors, warnings }) => {
        beginRecording(recorder, inventory, records, sensors);
        journal.append({
          kind: 'header',
          version: journalVersion,
          id: randomUUID(),
          suite,
          startedAt: startedAt.toISOString(),
          command: withoutHome(options.command),
          settings,
          tool: { name: 'tokenwork', ...options.tool },
          hardware: { ...inventory.hardware, ceilings },
          environment: environmentOf(inventory, loaded, sensors),
          models: records.map((record) => withDevice(record, prepared)),
          metrics: metricsTable(loaded),
          cells,
          questions,
          warnings: [
            ...prepared.warnings,
            ...warnings,
            ...inventory.warnings,
            ...oversubscribed(settings, inventory.usableCores),
            ...(recorder?.takeWarnings() ?? []),
          ],
        });
      },
    });
    await measureCeilingsAgain(prepared, journal, inventory.usableCores, options);
  } catch (thrown) {
    journal.abandon();
    throw thrown;
  }
  return finish(journal, path);
}

async function resumeRun(options: BenchOptions, named: string): Promise<BenchOutcome> {
  const journalPath = journalNamed(resolve(named));
  const path = options.out === undefined ? resultPathOf(journalPath) : resolve(options.out);
  refuseOtherThanFile(path);
  const unlock = lockJournal(journalPath);
  try {
    return await recording(options, path, (recorder) => measureRest(options, journalPath, path, recorder));
  } finally {
    unlock();
  }
}

async function measureRest(
  options: BenchOptions,
  journalPath: string,
  path: string,
  recorder: SessionRecorder | null,
): Promise<BenchOutcome> {
  const contents = readJournal(journalPath);
  const { header } = contents;
  refuseOtherOptions(header, options);
  const validation = validationOf(contents.entries);
  // All is measured, and only the result was not written: that takes no model.
  if (foldJournal(contents).run.complete && !isPending(header.settings, validation))
    return finish(Journal.reopen(journalPath, contents.validBytes), path);
  const prepared = await prepareResumed(header, options);
  refuseOtherModels(header, prepared.models);
  refuseOtherGpu(header, prepared.chosen);
  refuseOtherSession(contents.entries, prepared.sensors.recorded);
  const inventory = await takeInventory();
  const { rows, crashes, clockNs } = stateOf(contents);
  const journal = Journal.reopen(journalPath, contents.validBytes);
  try {
    const ceilings = header.hardware.ceilings;
    await runSegment({
      prepared,
      journal,
      originNs: process.hrtime.bigint() - BigInt(Math.ceil(clockNs)),
      ceilings,
      finished: new Set(rows.keys()),
      crashes,
      validation,
      options,
      recorder,
      onReady: ({ records, sensors }) => {
        refuseOtherEngines(header, records);
        beginRecording(recorder, inventory, records, sensors);
        const warnings = [
          ...resumeWarnings(header, inventory.hardware.id, options.tool),
          ...sessionRestarted(prepared.sensors.recorded),
          ...(recorder?.takeWarnings() ?? []),
        ];
        journal.append({ kind: 'resumed', at: new Date().toISOString(), warnings });
      },
    });
    await measureCeilingsAgain(prepared, journal, inventory.usableCores, options);
  } catch (thrown) {
    journal.close();
    throw thrown;
  }
  return finish(journal, path);
}

function beginRecording(
  recorder: SessionRecorder | null,
  { hardware, os }: Inventory,
  models: readonly JournalModel[],
  sensors: SamplingSession['sensors'],
): void {
  recorder?.begin({
    recordedAt: new Date().toISOString(),
    machine: describeMachine(hardware, os),
    usesGpu: runOnGpu(models),
    sensors: [...sensors],
  });
}

/** Folds the journal as it lies on disk, which is what resuming would read. */
function finish(journal: Journal, path: string): BenchOutcome {
  const contents = readJournal(journal.path);
  const result = foldJournal(contents);
  const { requests, run } = result;
  if (requests.length === 0) {
    journal.abandon();
    throw interruptedEarly();
  }
  try {
    writeResult(path, result);
  } catch (thrown) {
    journal.close();
    throw thrown;
  }
  const isValidating = isPending(contents.header.settings, validationOf(contents.entries));
  if (run.complete && !isValidating) {
    journal.remove();
    return { result, path };
  }
  journal.close();
  const measured = `${requests.length} of ${run.plannedRequests} requests measured`;
  throw new TokenworkError(
    'interrupted',
    `The run was stopped with ${measured}${run.complete ? ', before all of them were held against the same requests alone' : ''}.`,
    `They are saved in ${path}. Go on with: tokenwork bench --resume ${path}`,
  );
}

/** Other load while they were measured at first may be gone by now; folding keeps the larger. */
async function measureCeilingsAgain(
  prepared: PreparedRun,
  journal: Journal,
  usableCores: number,
  { onProgress, signal, ceilings }: BenchOptions,
): Promise<void> {
  if (signal?.aborted || ceilings === false) return;
  // A software GPU takes half a minute, and its figures say nothing.
  if (prepared.chosen.adapter?.kind === 'software') return;
  tell(onProgress, 'machine', 'measuring the machine once more');
  journal.append({ kind: 'ceilings', ceilings: await ceilingsFor(prepared, usableCores) });
}

function defaultPath({ suite = 'quick', trace }: BenchOptions, at: Date): string {
  const name = basename(trace?.path ?? (typeof suite === 'string' ? suite : suite.name)).replace(
    /\.[^.]*$/,
    '',
  );
  return `tokenwork-${name}-${at.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}.json`;
}

/**
 * run/: worker pool + schedule + journal → a result file. Everything that is measured passes through the
 * journal, and the result is the journal folded; so a run can be killed at any moment and go on later.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { runOnGpu } from '../core/busy-machine.js';
import { exitCode } from '../core/codes.js';
import { TokenworkError } from '../core/errors.js';
import { withHome } from '../core/home.js';
import type { Result } from '../core/result.js';
import { foldJournal } from '../fold/result.js';
import { Journal, journalNamed, journalPathOf, resultPathOf } from '../journal/append.js';
import { type JournalBeginning, type JournalEntry, journalVersion } from '../journal/entry.js';
import { lockJournal } from '../journal/lock.js';
import { readBegunJournal, readJournal } from '../journal/read.js';
import { isMemoryPending, isPending, memoryOf, stateOf, validationOf } from '../journal/state.js';
import { type Inventory, takeInventory } from '../sensors/inventory.js';
import { suiteName } from '../workload/suite.js';
import { withinBudget } from './budget.js';
import { ceilingsFor, measureCeilingsAgain } from './ceilings.js';
import { checkOptions } from './check-options.js';
import { fitToDevice, withDevice } from './gpu/fit.js';
import { environmentOf, oversubscribed } from './machine.js';
import { metricsTable } from './metrics.js';
import { type BenchOptions, benchOptionsOf, type RecordedOptions, runOptionsOf } from './options.js';
import { defaultSuiteOf, prepareResumed, prepareRun } from './prepare.js';
import { tell, tellNote } from './progress.js';
import { refuseExistingFile, refuseOtherThanFile, writeResult } from './result-file.js';
import {
  recordingRestarted,
  refuseOtherBeginning,
  refuseOtherEngines,
  refuseOtherGpu,
  refuseOtherModels,
  refuseOtherOptions,
  refuseOtherRecording,
  resumeWarnings,
} from './resume.js';
import { describeMachine, SensorRecorder } from './sampling/recorder.js';
import { interruptedEarly, type Ready, refuseStopped, runSegment, type Segment } from './segment.js';
import { thisTool } from './tool-version.js';

/** A finished run. */
export interface BenchOutcome {
  result: Result;
  /** The file that it was written to. */
  path: string;
}

/**
 * Measures a workload and writes its result. Throws TokenworkError: with exit code 2 for what cannot be
 * run, before anything is measured (`bad-option`, `run-in-progress` …); with exit code 3 where measuring was cut short (`interrupted`,
 * `journal-unwritable`, `result-unwritable` …), when all that has finished can be resumed.
 */
export async function runBench(given: BenchOptions = {}): Promise<BenchOutcome> {
  checkOptions(given);
  if (running) {
    throw new TokenworkError(
      'run-in-progress',
      'A run is being measured in this process, and another would be measured with it.',
      'Wait for the first to end (await bench(…)) before starting the next.',
    );
  }
  const { resume, command = 'bench() of the package tokenwork', tool = thisTool() } = given;
  const options: RecordedOptions = { ...given, command, tool };
  running = true;
  try {
    return await stoppable(options, () =>
      resume === undefined ? startRun(options) : resumeRun(options, resume),
    );
  } finally {
    running = false;
  }
}

let running = false;

/** Runs, and says of a run that the signal stopped before measuring that it was. Throws what `run` throws. */
async function stoppable(
  { signal, resume }: BenchOptions,
  run: () => Promise<BenchOutcome>,
): Promise<BenchOutcome> {
  try {
    return await run();
  } catch (thrown) {
    const incomplete = thrown instanceof TokenworkError && thrown.exitCode === exitCode.incomplete;
    if (incomplete || !signal?.aborted) throw thrown;
    // Whatever the phase that was stopped throws for it.
    throw interruptedEarly(thrown, resume);
  }
}

async function startRun(options: RecordedOptions): Promise<BenchOutcome> {
  const startedAt = new Date();
  const path = resolve(options.out ?? defaultPath(options, startedAt));
  const journalPath = journalPathOf(path);
  // Where a journal lies beside it, creating that tells how to go on with its run.
  if (!options.force && !existsSync(journalPath)) refuseExistingFile(path);
  return holding(options, journalPath, path, (recorder) =>
    measureAll(options, { path, journalPath, startedAt, recorder }),
  );
}

/**
 * Starts a run again that was killed before anything of it was measured, as it was asked for and into the same
 * journal. Throws TokenworkError `resume-differs` where the options contradict those, and what a run throws.
 */
function startAgain(
  { command, options: asked }: JournalBeginning,
  options: RecordedOptions,
  places: Omit<Places, 'startedAt'>,
): Promise<BenchOutcome> {
  refuseOtherBeginning(withHome(asked), options);
  tellNote(
    options.onProgress,
    'models',
    `The run ended before anything was measured. It is started again as it was asked for: ${command}`,
  );
  const again = { ...options, ...benchOptionsOf(withHome(asked)), command, resume: undefined };
  return stoppable(again, () => measureAll(again, { ...places, startedAt: new Date() }));
}

/** Where a run is written to, and when it started. */
interface Places {
  path: string;
  journalPath: string;
  startedAt: Date;
  recorder: SensorRecorder | null;
}

/** Measures a run from its beginning. The caller holds the journal. */
async function measureAll(
  options: RecordedOptions,
  { path, journalPath, startedAt, recorder }: Places,
): Promise<BenchOutcome> {
  const originNs = process.hrtime.bigint();
  const { command } = options;
  const asked = runOptionsOf(options);
  const journal = Journal.create(
    journalPath,
    asked && { kind: 'begun', version: journalVersion, command, options: asked },
  );
  const part = async (): Promise<Part> => {
    const whole = await fitToDevice(await prepareRun(options), options);
    refuseStopped(options);
    tell(options.onProgress, 'machine', 'taking stock of this machine');
    const stockNs = process.hrtime.bigint();
    const inventory = await takeInventory();
    const { usableCores, hardware } = inventory;
    const ceilings =
      options.ceilings === false ? null : await ceilingsFor(whole, usableCores, options.signal);
    const prepared = withinBudget(whole, ceilings, Number(process.hrtime.bigint() - stockNs) / 1e9);
    const { settings, suite, cells, questions } = prepared;
    return {
      ...{ prepared, inventory, originNs, ceilings },
      ...{ finished: new Set(), crashes: new Map(), validation: validationOf([]) },
      ...{ memory: new Map(), memoryPending: false },
      firstEntry: ({ loaded, records, sensors, warnings }) => ({
        kind: 'header',
        version: journalVersion,
        id: randomUUID(),
        suite,
        startedAt: startedAt.toISOString(),
        command,
        settings,
        tool: { name: 'tokenwork', ...options.tool },
        hardware: { ...hardware, ceilings },
        environment: environmentOf(inventory, loaded, sensors),
        models: records.map((record) => withDevice(record, prepared)),
        metrics: metricsTable(loaded, records),
        cells,
        ...(loaded.memoryApart && { memoryApart: true }),
        questions,
        warnings: [
          ...prepared.warnings,
          ...warnings,
          ...inventory.warnings,
          ...oversubscribed(settings, usableCores),
        ],
      }),
    };
  };
  return measurePart(part, journal, () => journal.abandon(), { path, options, recorder });
}

async function resumeRun(options: RecordedOptions, named: string): Promise<BenchOutcome> {
  const journalPath = journalNamed(resolve(named));
  const path = options.out === undefined ? resultPathOf(journalPath) : resolve(options.out);
  return holding(options, journalPath, path, async (recorder) => {
    const contents = readBegunJournal(journalPath);
    if (contents.header === null) return startAgain(contents.begun, options, { path, journalPath, recorder });
    const { entries, validBytes } = contents;
    const header = { ...contents.header, settings: withHome(contents.header.settings) };
    refuseOtherOptions(header, options);
    const validation = validationOf(entries);
    // All is measured, and only the result was not written: that takes no model.
    const memoryPending = isMemoryPending(contents);
    if (foldJournal(contents).run.complete && !isPending(header.settings, validation) && !memoryPending)
      return finish(Journal.reopen(journalPath, validBytes), path);
    const prepared = await prepareResumed(header, options);
    refuseOtherModels(header, prepared.models);
    refuseOtherGpu(header, prepared.chosen);
    refuseOtherRecording(entries, prepared.sensors.recorded);
    const inventory = await takeInventory();
    const { rows, crashes, clockNs } = stateOf(contents);
    const journal = Journal.reopen(journalPath, validBytes);
    const part = async (): Promise<Part> => ({
      ...{ prepared, inventory, crashes, validation, memory: memoryOf(entries), memoryPending },
      originNs: process.hrtime.bigint() - BigInt(Math.ceil(clockNs)),
      ceilings: header.hardware.ceilings,
      finished: new Set(rows.keys()),
      firstEntry: ({ records }) => {
        refuseOtherEngines(header, records);
        const warnings = [
          ...resumeWarnings(header, inventory.hardware.id, options.tool),
          ...recordingRestarted(prepared.sensors.recorded),
        ];
        return { kind: 'resumed', at: new Date().toISOString(), warnings };
      },
    });
    return measurePart(part, journal, () => journal.close(), { path, options, recorder });
  });
}

/**
 * Runs with the journal locked and with the recorder that was asked for, and gives up both however the run
 * ends. Throws TokenworkError `unwritable-output` and `journal-in-use`, and what `run` throws.
 */
async function holding(
  { recordSensors }: BenchOptions,
  journalPath: string,
  path: string,
  run: (recorder: SensorRecorder | null) => Promise<BenchOutcome>,
): Promise<BenchOutcome> {
  refuseOtherThanFile(path);
  const unlock = lockJournal(journalPath);
  let recorder: SensorRecorder | null = null;
  try {
    if (recordSensors !== undefined)
      recorder = SensorRecorder.create(recordSensors, [path, journalPathOf(path)]);
    return await run(recorder);
  } finally {
    recorder?.close();
    unlock();
  }
}

/** A run that this process measures: all of it, or what is left of one that is resumed. */
interface Part extends Omit<Segment, 'journal' | 'options' | 'recorder' | 'onReady'> {
  inventory: Inventory;
  /** The entry that the part begins with in the journal, once all is open. Throws what must refuse the part. */
  firstEntry(ready: Ready): Extract<JournalEntry, { kind: 'header' | 'resumed' }>;
}

/** Measures a part into the journal and writes the result; `leave` gives the journal up where that fails. */
async function measurePart(
  open: () => Promise<Part>,
  journal: Journal,
  leave: () => void,
  { path, options, recorder }: { path: string; options: BenchOptions; recorder: SensorRecorder | null },
): Promise<BenchOutcome> {
  try {
    const { inventory, firstEntry, ...part } = await open();
    await runSegment({
      ...part,
      ...{ journal, options, recorder },
      onReady: (ready) => {
        const { records, sensors } = ready;
        const entry = firstEntry(ready);
        recorder?.begin({
          recordedAt: new Date().toISOString(),
          machine: describeMachine(inventory.hardware, inventory.os),
          usesGpu: runOnGpu(records),
          sensors: [...sensors],
        });
        journal.append({ ...entry, warnings: [...entry.warnings, ...(recorder?.takeWarnings() ?? [])] });
      },
    });
    await measureCeilingsAgain(part.prepared, journal, inventory.usableCores, options);
  } catch (thrown) {
    leave();
    throw thrown;
  }
  return finish(journal, path);
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
  const lacks = isValidating
    ? ', before all of them were held against the same requests alone'
    : isMemoryPending(contents)
      ? ', before the peak memory of all cells was'
      : '';
  if (run.complete && lacks === '') {
    journal.remove();
    return { result, path };
  }
  journal.close();
  const measured = `${requests.length} of ${run.plannedRequests} requests measured`;
  throw new TokenworkError(
    'interrupted',
    `The run was stopped with ${measured}${run.complete ? lacks : ''}.`,
    `They are saved in ${path}. Go on with: tokenwork bench --resume ${path}`,
  );
}

function defaultPath(options: BenchOptions, at: Date): string {
  const { suite = defaultSuiteOf(options), trace, prompts } = options;
  const named = (trace ?? prompts)?.path ?? (typeof suite === 'string' ? suite : suiteName(suite));
  const name = basename(named).replace(/\.[^.]*$/, '');
  return `tokenwork-${name}-${at.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}.json`;
}

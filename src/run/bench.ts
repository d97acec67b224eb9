/**
 * run/: worker pool + schedule + journal → a result file. Everything that is measured passes through the
 * journal, and the result is the journal folded; so a run can be killed at any moment and go on later.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { exitCode } from '../core/codes.js';
import { TokenworkError } from '../core/errors.js';
import { withHome } from '../core/home.js';
import { readResult } from '../core/migrate.js';
import type { Result } from '../core/result.js';
import { foldJournal } from '../fold/result.js';
import { Journal, journalNamed, journalPathOf, resultPathOf } from '../journal/append.js';
import { type JournalBeginning, journalVersion } from '../journal/entry.js';
import { lockJournal } from '../journal/lock.js';
import { readBegunJournal, readJournal } from '../journal/read.js';
import { isMemoryPending, isPending, validationOf } from '../journal/state.js';
import { suiteName } from '../workload/suite.js';
import { checkOptions } from './check-options.js';
import { withoutHeaderValues } from './endpoint/connect.js';
import { measureServed, resumeServed } from './endpoint/run.js';
import { measureHere, resumeHere } from './local/run.js';
import { type BenchOptions, benchOptionsOf, type RecordedOptions, runOptionsOf } from './options.js';
import { tellNote } from './progress.js';
import { refuseExistingFile, refuseOtherThanFile, writeResult } from './result-file.js';
import { refuseOtherBeginning, refuseOtherOptions } from './resume.js';
import { SensorRecorder } from './sampling/recorder.js';
import { interruptedEarly } from './stopped.js';
import { thisTool } from './tool-version.js';
import { defaultSuiteOf } from './workload.js';

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
  const path = await runToFile(given);
  return { result: readResult(JSON.parse(readFileSync(path, 'utf8'))), path };
}

/** Runs as `runBench` does, and returns no more than the path of the result, which may be more than fits into memory. */
export async function runToFile(given: BenchOptions = {}): Promise<string> {
  checkOptions(given);
  if (running) {
    throw new TokenworkError(
      'run-in-progress',
      'A run is being measured in this process, and another would be measured with it.',
      'Wait for the first to end (await bench(…)) before starting the next.',
    );
  }
  const { resume, header, tool = thisTool() } = given;
  const command = withoutHeaderValues(given.command ?? 'bench() of the package tokenwork', header);
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
async function stoppable({ signal, resume }: BenchOptions, run: () => Promise<string>): Promise<string> {
  try {
    return await run();
  } catch (thrown) {
    const incomplete = thrown instanceof TokenworkError && thrown.exitCode === exitCode.incomplete;
    if (incomplete || !signal?.aborted) throw thrown;
    // Whatever the phase that was stopped throws for it.
    throw interruptedEarly(thrown, resume);
  }
}

async function startRun(options: RecordedOptions): Promise<string> {
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
): Promise<string> {
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
): Promise<string> {
  const { command } = options;
  const asked = runOptionsOf(options);
  const journal = Journal.create(
    journalPath,
    asked && { kind: 'begun', version: journalVersion, command, options: asked },
  );
  const run = options.endpoint === undefined ? measureHere : measureServed;
  return measured(
    () => run({ journal, options, startedAt, recorder }),
    journal,
    () => journal.abandon(),
    path,
  );
}

async function resumeRun(options: RecordedOptions, named: string): Promise<string> {
  const journalPath = journalNamed(resolve(named));
  const path = options.out === undefined ? resultPathOf(journalPath) : resolve(options.out);
  return holding(options, journalPath, path, async (recorder) => {
    const contents = readBegunJournal(journalPath);
    if (contents.header === null) return startAgain(contents.begun, options, { path, journalPath, recorder });
    const { entries, validBytes } = contents;
    const settings = withHome(contents.header.settings);
    refuseOtherOptions({ settings }, options);
    const journal = Journal.reopen(journalPath, validBytes);
    // All is measured, and only the result was not written: that takes no model.
    const isDone =
      foldJournal(contents).head.run.complete &&
      !isPending(settings, validationOf(entries)) &&
      !isMemoryPending(contents);
    if (isDone) return finish(journal, path);
    const { header } = contents;
    const task = { journal, options, recorder, entries };
    const run = () =>
      'endpoint' in settings
        ? resumeServed({ ...task, header: { ...header, settings } })
        : resumeHere({ ...task, header: { ...header, settings } });
    return measured(run, journal, () => journal.close(), path);
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
  run: (recorder: SensorRecorder | null) => Promise<string>,
): Promise<string> {
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

/** Writes the result of what `run` measures into the journal; `leave` gives the journal up where that fails. */
async function measured(
  run: () => Promise<void>,
  journal: Journal,
  leave: () => void,
  path: string,
): Promise<string> {
  try {
    await run();
  } catch (thrown) {
    leave();
    throw thrown;
  }
  return finish(journal, path);
}

/** Folds the journal as it lies on disk, which is what resuming would read. Returns the path of the result. */
function finish(journal: Journal, path: string): string {
  const contents = readJournal(journal.path);
  const result = foldJournal(contents);
  const { requests, head } = result;
  if (requests === 0) {
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
  if (head.run.complete && lacks === '') {
    journal.remove();
    return path;
  }
  journal.close();
  const measured = `${requests} of ${head.run.plannedRequests} requests measured`;
  throw new TokenworkError(
    'interrupted',
    `The run was stopped with ${measured}${head.run.complete ? lacks : ''}.`,
    `They are saved in ${path}. Go on with: tokenwork bench --resume ${path}`,
  );
}

function defaultPath(options: BenchOptions, at: Date): string {
  const { suite = defaultSuiteOf(options), trace, prompts } = options;
  const named = (trace ?? prompts)?.path ?? (typeof suite === 'string' ? suite : suiteName(suite));
  const name = basename(named).replace(/\.[^.]*$/, '');
  return `tokenwork-${name}-${at.toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}.json`;
}

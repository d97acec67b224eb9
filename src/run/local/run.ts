import { randomUUID } from 'node:crypto';
import { runOnGpu } from '../../core/busy-machine.js';
import type { Journal } from '../../journal/append.js';
import { type JournalEntry, journalVersion, type LocalHeader } from '../../journal/entry.js';
import { isMemoryPending, memoryOf, stateOf, validationOf } from '../../journal/state.js';
import { type Inventory, takeInventory } from '../../sensors/inventory.js';
import { fitToDevice, withDevice } from '../gpu/fit.js';
import { environmentOf, oversubscribed } from '../machine.js';
import { metricsTable } from '../metrics.js';
import type { RecordedOptions } from '../options.js';
import { tell } from '../progress.js';
import {
  recordingRestarted,
  refuseOtherEngines,
  refuseOtherGpu,
  refuseOtherModels,
  refuseOtherRecording,
  resumeWarnings,
} from '../resume.js';
import { describeMachine, type SensorRecorder } from '../sampling/recorder.js';
import { refuseStopped } from '../stopped.js';
import { withinBudget } from './budget.js';
import { ceilingsFor, measureCeilingsAgain } from './ceilings.js';
import { prepareResumed, prepareRun } from './prepare.js';
import { type Ready, runSegment, type Segment } from './segment.js';

/** A run to be measured from its beginning. */
export interface NewRun {
  journal: Journal;
  options: RecordedOptions;
  startedAt: Date;
  recorder: SensorRecorder | null;
}

/** A run of which something was measured. */
export interface ResumedRun<Header> extends Omit<NewRun, 'startedAt'> {
  header: Header;
  entries: Iterable<JournalEntry>;
}

/** Measures a run with models in this process, into its journal. Throws what must refuse it, and what measuring throws. */
export async function measureHere({ journal, options, startedAt, recorder }: NewRun): Promise<void> {
  const originNs = process.hrtime.bigint();
  const whole = await fitToDevice(await prepareRun(options), options);
  refuseStopped(options);
  tell(options.onProgress, 'machine', 'taking stock of this machine');
  const stockNs = process.hrtime.bigint();
  const inventory = await takeInventory();
  const { usableCores, hardware } = inventory;
  const ceilings = options.ceilings === false ? null : await ceilingsFor(whole, usableCores, options.signal);
  const prepared = withinBudget(whole, ceilings, Number(process.hrtime.bigint() - stockNs) / 1e9);
  const { settings, suite, cells, questions } = prepared;
  const part: Part = {
    ...{ prepared, inventory, originNs, ceilings },
    ...{ finished: new Set(), crashes: new Map(), validation: validationOf([]) },
    ...{ memory: new Map(), memoryPending: false },
    firstEntry: ({ loaded, records, sensors, warnings }) => ({
      kind: 'header',
      version: journalVersion,
      id: randomUUID(),
      suite,
      startedAt: startedAt.toISOString(),
      command: options.command,
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
  await measurePart(part, journal, options, recorder);
}

/** Goes on with a run in this process. Throws as `measureHere`, and TokenworkError `resume-differs`. */
export async function resumeHere(task: ResumedRun<LocalHeader>): Promise<void> {
  const { journal, options, recorder, header, entries } = task;
  const prepared = await prepareResumed(header, options);
  refuseOtherModels(header, prepared.models);
  refuseOtherGpu(header, prepared.chosen);
  refuseOtherRecording(entries, prepared.sensors.recorded);
  const inventory = await takeInventory();
  const { finished, crashes, clockNs } = stateOf({ entries });
  const part: Part = {
    ...{ prepared, inventory, crashes, validation: validationOf(entries) },
    ...{ memory: memoryOf(entries), memoryPending: isMemoryPending({ header, entries }) },
    originNs: process.hrtime.bigint() - BigInt(Math.ceil(clockNs)),
    ceilings: header.hardware.ceilings,
    finished,
    firstEntry: ({ records }) => {
      refuseOtherEngines(header, records);
      const warnings = [
        ...resumeWarnings(header, inventory.hardware.id, options.tool),
        ...recordingRestarted(prepared.sensors.recorded),
      ];
      return { kind: 'resumed', at: new Date().toISOString(), warnings };
    },
  };
  await measurePart(part, journal, options, recorder);
}

/** A run that this process measures: all of it, or what is left of one that is resumed. */
interface Part extends Omit<Segment, 'journal' | 'options' | 'recorder' | 'onReady'> {
  inventory: Inventory;
  /** The entry that the part begins with in the journal, once all is open. Throws what must refuse the part. */
  firstEntry(ready: Ready): Extract<JournalEntry, { kind: 'header' | 'resumed' }>;
}

async function measurePart(
  { inventory, firstEntry, ...part }: Part,
  journal: Journal,
  options: RecordedOptions,
  recorder: SensorRecorder | null,
): Promise<void> {
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
}

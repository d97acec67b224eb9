import type { z } from 'zod';
import type { Recording, SamplerCost } from '../../core/records/sampling.js';
import type { RecordedWarning } from '../../core/result.js';
import type { Nanoseconds } from '../../core/units.js';
import type { sensorRecordSchema } from '../../sensors/session-file.js';
import type { Series } from '../series.js';

export type SampledSensor = z.infer<typeof sensorRecordSchema>;
export type SampledChannel = SampledSensor['channels'][number];

export interface Span {
  startNs: Nanoseconds;
  endNs: Nanoseconds;
}

/** A span in which something was computed. */
export interface BusySpan extends Span {
  cpuNs: Nanoseconds | null;
  gpuNs: Nanoseconds | null;
}

/** A stage of a request, or all of a request of which no stages are known. */
export interface RunPart extends BusySpan {
  /** Its place in the row's stages. */
  stage: number | null;
}

/** A request that ran once, or several times in a row. */
export interface RequestRun {
  id: number;
  /** The times that it ran, in their order. */
  spans: Span[];
  /** Over all of them; null where it was not measured or it failed. */
  cpuNs: Nanoseconds | null;
  parts: RunPart[];
  /** Work done before each of them, and no part of it. */
  preparations: BusySpan[];
}

export interface AloneRun {
  cell: string;
  spans: Span[];
  cpuNs: Nanoseconds | null;
}

export interface PairRun extends Omit<AloneRun, 'cell'> {
  cells: readonly string[];
}

/** The samples that one process took, and the requests that it ran beside them. */
export interface Segment {
  sensors: readonly SampledSensor[];
  /** The recording that was played in place of the machine's sensors. */
  recorded: (Recording & { usesGpu: boolean }) | null;
  series(channel: SampledChannel): Series;
  idleBefore: Span | null;
  idleAfter: Span | null;
  /** From the first request's start to the last one's end; null where nothing was measured. */
  measured: Span | null;
  requests: RequestRun[];
  alone: AloneRun[];
  /** Requests of two cells at once, to a server. */
  pairs: PairRun[];
  cost: SamplerCost | null;
  warnings: readonly RecordedWarning[];
}

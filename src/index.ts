/** tokenwork as a library: what the command line is made of. */

export { summarizeCells } from './analysis/cell-summary.js';
export { bytesOf, type CostModel, flopsOf, totalBytes } from './core/cost.js';
export { exitCode, TokenworkError } from './core/errors.js';
export { readResult } from './core/migrate.js';
export { type Result, resultSchema, schemaVersion } from './core/result.js';
export { describeModel } from './models/describe-model.js';
export { resolveModel } from './models/resolve.js';
export { renderRun } from './report/terminal/run.js';
export { runBench } from './run/bench.js';
export { examineMachine, type MachineExamination } from './run/examine-machine.js';
export type { BenchOptions, BenchProgress } from './run/options.js';
export { attribute } from './sampling/attribution.js';
export { type IdleBaseline, idleBaseline } from './sampling/baseline.js';
export { counterCurve } from './sampling/counter-curve.js';
export { energyCurve } from './sampling/energy-curve.js';
export { inspectSensors, type SensorInspection } from './sampling/inspect.js';
export { powerCurve } from './sampling/power-curve.js';
export type { Sample } from './sampling/ring.js';
export { type Sampler, type SamplerOptions, startSampler } from './sampling/sampler.js';
export { type Series, SeriesStore } from './sampling/series.js';
export { type CumulativeCurve, repetitionsFor } from './sampling/window.js';
export { machineSensors, type SensorSpec } from './sensors/catalogue.js';
export {
  NvidiaSmiError,
  parseSmiHeader,
  parseSmiInventory,
  parseSmiRow,
  parseSmiValue,
  type SmiColumn,
  type SmiInventory,
  type SmiValue,
} from './sensors/nvidia/nvidia-smi-parser.js';

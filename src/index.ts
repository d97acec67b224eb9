/** tokenwork as a library: what the command line is made of. */

export { summarizeCells } from './analysis/cell-summary.js';
export { bytesOf, type CostModel, flopsOf, totalBytes } from './core/cost.js';
export { exitCode, TokenworkError } from './core/errors.js';
export { readResult } from './core/migrate.js';
export { type Result, resultSchema, schemaVersion } from './core/result.js';
export { describeModel } from './models/describe-model.js';
export { resolveModel } from './models/resolve.js';
export { renderRun } from './report/run-report.js';
export { runBench } from './run/bench.js';
export type { BenchOptions, BenchProgress } from './run/options.js';

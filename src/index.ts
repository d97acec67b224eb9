/**
 * tokenwork as a library: measure, read, explain, compare, render, count. All else in the package is its own
 * business and changes without notice. What explains a result is loaded without the engine, so that results can
 * be read where no native library runs.
 *
 * @packageDocumentation
 */
import { findingsOf } from './analysis/findings.js';
import type { Result } from './core/result.js';
import type { DecoderFlopsReport, FlopsReport } from './models/cost/describe-flops.js';
import type { ForwardPass } from './models/count-flops.js';
import type { ResolveOptions } from './models/resolve.js';
import type { BenchOutcome } from './run/bench.js';
import type { BenchOptions } from './run/options.js';

export type { CompareOptions, Comparison } from './analysis/compare/compare.js';
export { compareResults } from './analysis/compare/compare.js';
export type { Findings, FindingsOptions, Uniformity } from './analysis/findings.js';
export { readResultFile as readResult } from './cli/result-file.js';
export type { ErrorCode, ExitCode } from './core/codes.js';
export { exitCode } from './core/codes.js';
export { TokenworkError } from './core/errors.js';
export type { FailedRequest, OkRequest, RequestRow, Result } from './core/result.js';
export { isOk } from './core/result.js';
export type { DecoderFlopsReport, FlopsReport } from './models/cost/describe-flops.js';
export type { ForwardPass } from './models/count-flops.js';
export type { ResolveOptions } from './models/resolve.js';
export { headline } from './report/words/headline.js';
export type { BenchOutcome } from './run/bench.js';
export type { BenchOptions, BenchProgress } from './run/options.js';
export type { SuiteDocument } from './workload/suite.js';

export { findingsOf };

/**
 * Measures a workload on this machine and writes the result to a file, as `tokenwork bench` does; with `out: false`
 * it leaves no file, and the path is null. Nothing else should run meanwhile, in this process either: what it does is
 * measured as well. It prints nothing, and leaves no thread and no signal handler behind.
 *
 * @param options the suite (`quick` by default, a name, a path or an object), models, device, repetitions, `signal`,
 *   `onProgress` …; times are in ms or ns as their names say
 * @returns the result, and the path of the file that it was written to
 * @throws TokenworkError with `exitCode` 2 for what cannot be run, before anything is measured (`bad-option` for an
 *   option that there is not or that does not fit, `run-in-progress` while another run is measured), and 3 where
 *   measuring was cut short (`interrupted`, `journal-unwritable` …): what had finished is saved then, and
 *   `bench({ resume: path })` goes on from it
 * @example
 * ```js
 * const { result, path } = await bench({ suite: 'ci', device: 'cpu', repetitions: 2 });
 * console.log(headline(findingsOf(result)), path);
 * ```
 * @example A suite of one's own, its progress told and its result kept in memory:
 * ```js
 * const { result } = await bench({
 *   suite: {
 *     description: 'short and long prompts',
 *     models: [{ model: 'tiny' }],
 *     design: [{ promptTokens: [8, 64], completionTokens: [4] }],
 *     repetitions: 2,
 *   },
 *   device: 'cpu',
 *   ceilings: false, // the machine's limits are not measured: no MFU
 *   out: false,
 *   signal: AbortSignal.timeout(60_000),
 *   onProgress: ({ phase, done, total }) => console.log(phase, done, total),
 * });
 * console.log(result.requests.length); // 4: two cells, twice each
 * ```
 */
export async function bench(options?: BenchOptions): Promise<BenchOutcome>;
export async function bench(
  options: Omit<BenchOptions, 'out'> & { out: false },
): Promise<Omit<BenchOutcome, 'path'> & { path: null }>;
export async function bench(
  options: Omit<BenchOptions, 'out'> & { out?: BenchOptions['out'] | false } = {},
): Promise<Omit<BenchOutcome, 'path'> & { path: string | null }> {
  if (options?.out !== false) return (await import('./run/bench.js')).runBench(options as BenchOptions);
  const { out: _, ...others } = options;
  return (await import('./run/in-memory.js')).runInMemory(others);
}

/**
 * Renders the page about one result or several: what `tokenwork report RESULT --out FILE` writes.
 *
 * @param results in the order in which the page shows them
 * @returns one HTML document that loads nothing from elsewhere
 * @throws TokenworkError `inconsistent-result` where the rows of a result do not fit together
 * @example
 * ```js
 * await writeFile('report.html', await renderPage([await readResult('result.json')]));
 * ```
 */
export async function renderPage(results: readonly Result[]): Promise<string> {
  // The charts take a while to load, and are loaded for a page alone.
  const { renderPage: render } = await import('./report/html/page.js');
  return render(results.map((result) => ({ result, findings: findingsOf(result) })));
}

/**
 * Counts what one forward pass of a model costs, from its ONNX graph and without running it. A multiply-add is
 * 2 FLOP; the output head runs on all positions unless the graph computes only the last. A recipe of any size
 * takes no weights and no disk.
 *
 * @param model a recipe's name, a model folder, a config.json, `hf:OWNER/NAME`, or the path of any .onnx file
 * @param options the pass in positions and rows, and how the model is found
 * @returns FLOPs by convention, bytes moved by kind, parameters, and FLOPs by operator
 * @throws TokenworkError `shape-needed` for a graph that is neither a decoder nor an encoder where `shapes` are
 *   left out; `bad-option` for an option that there is not; `bad-step` for sizes that are no whole numbers or do
 *   not fit the model; those of finding a model (`unknown-model`, `json-broken`, `no-config` …)
 * @example
 * ```js
 * const { flops, parameters } = await countFlops('gpt2-124m', { promptTokens: 1024 });
 * console.log(flops.matmul / 1e9, 'GFLOP in matrix products', parameters, 'parameters');
 * ```
 */
export async function countFlops(
  model: string,
  options: ForwardPass & ResolveOptions = {},
): Promise<FlopsReport | DecoderFlopsReport> {
  const { countModel } = await import('./models/count-flops.js');
  return countModel(model, options);
}

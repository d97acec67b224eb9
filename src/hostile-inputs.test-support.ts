/**
 * Mutated files of every kind that a user may hand over, but for those that describe a model: whatever they hold, they
 * are read, or refused with an error of the project's own.
 */
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { compareResults } from './analysis/compare/compare.js';
import { findingsOf } from './analysis/findings.js';
import { realisticResult, testResult } from './analysis/result.test-support.js';
import { messageOf, TokenworkError } from './core/errors.js';
import { readResult } from './core/migrate.js';
import { foldJournal } from './fold/result.js';
import { readJournal } from './journal/read.js';
import { isPending, validationOf } from './journal/state.js';
import { finished, header } from './journal/testing/journal-sample.js';
import { type Mutation, mutations, placesIn } from './mutations.test-support.js';
import { renderFindings } from './report/terminal/findings.js';
import { renderRun } from './report/terminal/run.js';
import { NvidiaSmiError, parseSmiInventory } from './sensors/nvidia/nvidia-smi-parser.js';
import { RowReader } from './sensors/nvidia/smi-query.js';
import { checkSession } from './sensors/session-file.js';
import { expandSuite } from './workload/expand.js';
import { parsePipeline } from './workload/pipelines/pipeline.js';
import { loadPrompts, parsePrompt } from './workload/prompts.js';
import { parseSuite } from './workload/suite.js';
import { readTrace } from './workload/trace.js';

const nasty = [
  ...[-1, 0, 1, 2 ** 31, 2 ** 53, 1e308, 0.5, null, true, [], {}],
  ...['', '__proto__', 'constructor', 'toString', 'hasOwnProperty', '\u001b[2J', 'x\ny', '…'.repeat(99)],
];

type Table = Record<string | number, unknown>;

/** A copy in which values are replaced, left out, doubled, or stand under another name. */
function mutatedJson(value: unknown, list: readonly Mutation[]): unknown {
  const copy = JSON.parse(JSON.stringify(value));
  for (const { at, what, choice } of list) {
    const places = placesIn(copy);
    const place = places[Math.floor(at * places.length)];
    if (place === undefined) continue;
    const { key } = place;
    const of = place.of as Table;
    if (what === 0) delete of[key];
    else if (what === 1 && Array.isArray(of)) of.push(of[Number(key)]);
    else if (what === 2 && !Array.isArray(of)) define(of, String(nasty[choice % nasty.length]), of[key]);
    else of[key] = structuredClone(nasty[choice % nasty.length]);
  }
  return copy;
}

/** As `JSON.parse` would: `__proto__` is a name like any other. */
function define(of: Table, key: string, value: unknown): void {
  Object.defineProperty(of, key, { value, enumerable: true, configurable: true, writable: true });
}

/** Lines dropped, doubled, moved and cut; characters put in and taken out. */
function mutatedText(text: string, list: readonly Mutation[]): string {
  let result = text;
  for (const { at, what, choice } of list) {
    const lines = result.split('\n');
    const line = Math.floor(at * lines.length);
    const place = Math.floor(at * result.length);
    if (what === 0) lines.splice(line, 1);
    else if (what === 1) lines.splice(line, 0, lines[choice % lines.length]!);
    else if (what === 2) lines[line] = lines[line]!.slice(0, choice % 40);
    else if (what === 3) lines.splice(line, 1, String(nasty[choice % nasty.length]));
    const cut = [',', '"', '<', '>', '\0', '-', '9'.repeat(40)][choice % 7]!;
    result =
      what < 4
        ? lines.join('\n')
        : `${result.slice(0, place)}${what === 4 ? cut : ''}${result.slice(place + 1)}`;
  }
  return result;
}

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const prompts = await loadPrompts();
const suite = JSON.parse(readFileSync(at('../bench/suites/quick.json'), 'utf8'));
const pipelineText = readFileSync(at('../bench/pipelines/guarded-rag-reasoning.json'), 'utf8');
const pipeline = JSON.parse(pipelineText);
const pipelines = new Map([['guarded', parsePipeline(pipelineText, 'guarded.json')]]);
const pipelineSuite = { ...suite, design: [{ ...suite.design[0], pipelines: ['guarded'] }] };
const entries = [header, ...finished(0, 100), ...finished(1, 200), ...finished(2, 300)];
const small = JSON.parse(JSON.stringify(testResult()));
const session = {
  ...{ tokenworkSession: 1, recordedAt: '2026-01-01T00:00:00Z', machine: 'm', usesGpu: true },
  sensors: [
    {
      ...{ name: 's', reads: 'r', available: true, reason: null, hint: null, missing: [], periodNs: 1e8 },
      channels: [
        ...[{ quantity: 'power', device: 'gpu-0', unit: 'W', kind: 'gauge', id: 1 }].map((channel) => ({
          ...channel,
          counterPeriodNs: null,
          periodResolved: true,
        })),
      ],
    },
  ],
};
const smi = `<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">
<nvidia_smi_log>
  <driver_version>550.54</driver_version>
  <cuda_version>12.4</cuda_version>
  <gpu id="00000000:01:00.0">
    <product_name>A &amp; B &#65;</product_name>
    <uuid>GPU-1</uuid>
    <fb_memory_usage><total>81559 MiB</total></fb_memory_usage>
    <mig_mode><current_mig>Enabled</current_mig></mig_mode>
    <mig_devices><mig_device><index>0</index></mig_device></mig_devices>
    <gpu_power_readings><power_draw>60 W</power_draw></gpu_power_readings>
    <processes><process_info><pid>12</pid><process_name>p</process_name></process_info></processes>
  </gpu>
</nvidia_smi_log>
`;

const smiQuery = {
  fields: [
    ...[{ query: 'power.draw', quantity: 'power', unit: 'W' as const, printed: 'W' }],
    ...[{ query: 'utilization.gpu', quantity: 'utilisation', unit: 'ratio' as const, printed: '%' }],
  ].map(({ query, quantity, unit, printed }) => ({
    ...{ query, unit: printed, scale: 1, most: 1e6 },
    channel: { quantity, unit, kind: 'gauge' as const },
  })),
  asksMig: true,
};
const smiRows = `index, name, mig.mode.current, power.draw [W], utilization.gpu [%]
0, NVIDIA L4, [N/A], 30.50 W, 7 %
1, NVIDIA H100 80GB HBM3, Enabled, 101.20 W, [N/A]
WARNING: infoROM is corrupted at gpu 0000:01:00.0
`;

/** Whatever stands there, a value is a number with its unit, a text or absent. */
function readRows(text: string): void {
  const reader = new RowReader(smiQuery);
  for (const line of text.split('\n')) {
    const read = reader.read(line);
    if (read?.kind !== 'row') continue;
    if (!Number.isInteger(read.row.index) || read.row.values.length !== smiQuery.fields.length)
      throw new Error(`a row that is none: ${line}`);
    for (const value of read.row.values)
      if (value.kind === 'number' && !Number.isFinite(value.value)) throw new Error(`no number: ${line}`);
  }
}

/**
 * Of this run all is measured; its model does not exist, so that one of which a mutation has taken something ends
 * when it is to be opened.
 */
const measured = [
  header,
  ...[0, 1, 2, 3, 4, 5].flatMap((id) => finished(id, 100)),
  { kind: 'ended', atNs: 9000, processCpuNs: 900 },
];

async function resume(text: string): Promise<void> {
  const { runBench } = await import('./run/bench.js');
  await inFile(text, async (path) => {
    const journal = `${path}.json.journal.jsonl`;
    renameSync(path, journal);
    await runBench({
      resume: journal,
      command: 'test',
      tool: { version: '0', commit: null },
      ceilings: false,
    });
  });
}

/** `run` with a file that holds the text. */
async function inFile(text: string, run: (path: string) => unknown): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tokenwork-mutated-'));
  try {
    const path = join(folder, 'mutated');
    writeFileSync(path, text);
    await run(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function expand(json: unknown): void {
  const parsed = parseSuite(JSON.stringify(json), 'mutated.json', prompts, pipelines);
  const models = parsed.models.map(({ model }) => ({ id: model, spec: model, contextLength: 4096 }));
  expandSuite(parsed, models as Parameters<typeof expandSuite>[1]);
}

function fold(text: string): Promise<void> {
  return inFile(text, (path) => {
    const contents = readJournal(path);
    isPending(contents.header.settings, validationOf(contents.entries));
    readResult(JSON.parse(JSON.stringify(foldJournal(contents))));
  });
}

function explain(json: unknown): void {
  const result = readResult(JSON.parse(JSON.stringify(json)));
  const findings = findingsOf(result);
  renderRun(result, { width: 100, color: false });
  renderFindings(findings, { width: 100, color: false });
  compareResults(result, [result], { force: true });
}

const lines = (items: readonly unknown[]) => `${items.map((item) => JSON.stringify(item)).join('\n')}\n`;
const traceCsv = 'TIMESTAMP,ContextTokens,GeneratedTokens\n1,374,44\n2,396,109\n3,"879",55\n';
const traceJson = lines([
  { timestamp: 0, input_length: 12, output_length: 3 },
  { timestamp: 1, input_length: 6, output_length: 9 },
]);

type Trial = (list: readonly Mutation[]) => unknown;
/** Each kind of input, how many mutations of it take about a second, and what is done with one. */
export const kinds: [name: string, quick: number, trial: Trial][] = [
  ['a suite', 500, (list) => expand(mutatedJson(suite, list))],
  ['a suite with pipelines', 500, (list) => expand(mutatedJson(pipelineSuite, list))],
  [
    'the text of a suite',
    200,
    (list) => parseSuite(mutatedText(JSON.stringify(suite, null, 1), list), 'x', prompts),
  ],
  ['a pipeline', 500, (list) => parsePipeline(JSON.stringify(mutatedJson(pipeline, list)), 'x.json')],
  [
    'a prompt',
    200,
    (list) => parsePrompt('x', mutatedText('---\nkind: a\nlanguage: en\n---\n\nHello\n', list)),
  ],
  ['a trace in CSV', 100, (list) => inFile(mutatedText(traceCsv, list), (path) => readTrace(path))],
  ['a trace in JSONL', 100, (list) => inFile(mutatedText(traceJson, list), (path) => readTrace(path))],
  ['a result', 100, (list) => explain(mutatedJson(small, list))],
  ['a realistic result', 3, (list) => explain(mutatedJson(realisticResult(), list))],
  ['a journal', 200, (list) => fold(lines(mutatedJson(entries, list) as unknown[]))],
  ['the text of a journal', 200, (list) => fold(mutatedText(lines(entries), list))],
  [
    'a recorded session',
    200,
    (list) => {
      const [first, ...samples] = mutatedJson(
        [session, [1, 1, 60], [2, 1, 61], [3, 1, null]],
        list,
      ) as unknown[];
      return inFile(lines([first, ...samples]), (path) => checkSession(path));
    },
  ],
  ['the rows of nvidia-smi', 500, (list) => readRows(mutatedText(smiRows, list))],
  ['a journal that is resumed', 100, (list) => resume(lines(mutatedJson(measured, list) as unknown[]))],
  ['the text of a journal that is resumed', 100, (list) => resume(mutatedText(lines(measured), list))],
  ['the inventory of nvidia-smi', 500, (list) => parseSmiInventory(mutatedText(smi, list))],
];

/** Throws an error that names the first mutation of `runs` which ends in an error that is not the project's own. */
export async function tryMutations(trial: Trial, runs: number, seed: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(mutations, async (list) => {
      try {
        await trial(list);
      } catch (thrown) {
        // Callers of the parser tell it as an absence.
        if (thrown instanceof TokenworkError || thrown instanceof NvidiaSmiError) return;
        throw new Error(`not of the project's own: ${messageOf(thrown)}`, { cause: thrown });
      }
    }),
    { numRuns: runs, seed },
  );
}

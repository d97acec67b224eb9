/**
 * Mutated files of every kind that a user may hand over, but for those that describe a model: whatever they hold, they
 * are read, or refused with an error of the project's own.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { applyToLog } from './analysis/applied/applied.js';
import { UsageTally } from './analysis/applied/usage-tally.js';
import { compareResults } from './analysis/compare/compare.js';
import { findingsOf } from './analysis/findings.js';
import { realisticResult, testResult } from './analysis/result.test-support.js';
import { resultText } from './core/json/result-text.js';
import { readResult } from './core/migrate.js';
import { foldJournal } from './fold/result.js';
import { readJournal } from './journal/read.js';
import { isPending, validationOf } from './journal/state.js';
import { finished, header } from './journal/testing/journal-sample.js';
import { type Kind, kind, type Mutation, placesIn } from './mutations.test-support.js';
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
import { readUsage } from './workload/usage-log.js';

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
const pipelines = new Map(
  ['guarded', 'guarded-chat'].map((name) => [name, parsePipeline(pipelineText, 'guarded.json')]),
);
const pipelineSuite = { ...suite, design: [{ ...suite.design[0], pipelines: ['guarded'] }] };
const entries = [header, ...finished(0, 100), ...finished(1, 200), ...finished(2, 300)];
const small = JSON.parse(JSON.stringify(testResult()));
const realistic = realisticResult();
const cells = realistic.cells.slice(0, 3);
const requests = realistic.requests.filter(({ cell }) => cells.some(({ id }) => id === cell));
const comparable = { ...realistic, cells, requests };
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

async function resume(text: string, path: string): Promise<void> {
  const { runBench } = await import('./run/bench.js');
  const journal = `${path}.json.journal.jsonl`;
  rmSync(dirname(path), { recursive: true });
  mkdirSync(dirname(path));
  writeFileSync(journal, text);
  await runBench({
    resume: journal,
    command: 'test',
    tool: { version: '0', commit: null },
    ceilings: false,
  });
}

function expand(json: unknown): void {
  const parsed = parseSuite(JSON.stringify(json), 'mutated.json', prompts, pipelines);
  const models = parsed.models.map(({ model }) => ({ id: model, spec: model, contextLength: 4096 }));
  expandSuite(parsed, models as Parameters<typeof expandSuite>[1]);
}

function fold(text: string, path: string): void {
  writeFileSync(path, text);
  const contents = readJournal(path);
  isPending(contents.header.settings, validationOf(contents.entries));
  readResult(JSON.parse([...resultText(foldJournal(contents))].join('')));
}

function explain(json: unknown): void {
  const result = readResult(JSON.parse(JSON.stringify(json)));
  const findings = findingsOf(result);
  renderRun(result, { width: 100, color: false });
  renderFindings(findings, { width: 100, color: false });
  compareResults(result, [result], { force: true });
}

const lines = (items: readonly unknown[]) => `${items.map((item) => JSON.stringify(item)).join('\n')}\n`;
const traceCsv = [
  'TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n',
  '2024-05-12 00:00:00.001163+00:00,396,109\n2024-05-12 00:00:01+00:00,"879",55\n',
].join('');
const traceJson = lines([
  { timestamp: 0, input_length: 12, output_length: 3, hash_ids: [4] },
  { timestamp: 1, input_length: 600, output_length: 9, hash_ids: [4, 5] },
]);

/** The callers of the parser tell its error as an absence. */
function readInventory(text: string): void {
  try {
    parseSmiInventory(text);
  } catch (thrown) {
    if (!(thrown instanceof NvidiaSmiError)) throw thrown;
  }
}

function readSession(json: unknown, path: string): unknown {
  const [first, ...samples] = json as unknown[];
  writeFileSync(path, lines([first, ...samples]));
  return checkSession(path);
}

const readTraceOf = (text: string, path: string) => {
  writeFileSync(path, text);
  return readTrace(path);
};

const readUsageOf = async (text: string, path: string) => {
  const tally = new UsageTally();
  writeFileSync(path, text);
  for await (const usage of readUsage(path)) if (usage) tally.add(usage);
  return applyToLog(small, tally.bins());
};
const usage = lines([
  { created: 1780272000, model: 'm', usage: { prompt_tokens: 9, completion_tokens: 4 } },
  {
    timestamp: '2026-06-01T00:00:00Z',
    usage: { input_tokens: 7, input_tokens_details: { cached_tokens: 3 } },
  },
]);

const samples = [session, [1, 1, 60], [2, 1, 61], [3, 1, null]];
const textOf = (json: unknown) => JSON.stringify(json, null, 1);
const prompt = '---\nkind: a\nlanguage: en\n---\n\nHello\n';

/** Each kind of input, and what is done with a mutated one. */
export const kinds: Kind[] = [
  kind('a suite', (list) => expand(mutatedJson(suite, list))),
  kind('a suite with pipelines', (list) => expand(mutatedJson(pipelineSuite, list))),
  kind('the text of a suite', (list) =>
    parseSuite(mutatedText(textOf(suite), list), 'x', prompts, pipelines),
  ),
  kind('a pipeline', (list) => parsePipeline(JSON.stringify(mutatedJson(pipeline, list)), 'x.json')),
  kind('the text of a pipeline', (list) => parsePipeline(mutatedText(textOf(pipeline), list), 'x.json')),
  kind('a prompt', (list) => parsePrompt('x', mutatedText(prompt, list))),
  kind('a trace in CSV', (list, path) => readTraceOf(mutatedText(traceCsv, list), path)),
  kind('a trace in JSONL', (list, path) => readTraceOf(mutatedText(traceJson, list), path)),
  kind('a log of usage', (list, path) => readUsageOf(mutatedText(usage, list), path)),
  kind('a result', (list) => explain(mutatedJson(small, list))),
  // Of the same kind, and long enough to be compared; it takes far longer.
  kind('a result of three cells', (list) => explain(mutatedJson(comparable, list)), 20),
  kind('a journal', (list, path) => fold(lines(mutatedJson(entries, list) as unknown[]), path)),
  kind('the text of a journal', (list, path) => fold(mutatedText(lines(entries), list), path)),
  kind('a recorded session', (list, path) => readSession(mutatedJson(samples, list), path)),
  kind('the rows of nvidia-smi', (list) => readRows(mutatedText(smiRows, list))),
  kind('the inventory of nvidia-smi', (list) => readInventory(mutatedText(smi, list))),
  // Of the kinds above, but as far as a run that goes on with them.
  kind(
    'a journal that is resumed',
    (list, path) => resume(lines(mutatedJson(measured, list) as unknown[]), path),
    5,
  ),
  kind(
    'the text of a journal that is resumed',
    (list, path) => resume(mutatedText(lines(measured), list), path),
    5,
  ),
];

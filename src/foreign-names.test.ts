/**
 * Names that JavaScript gives a meaning of its own are names like any other: whatever bears one, all that is read,
 * drawn and rendered says of it what it says of a plain name.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import { costCard } from './analysis/card/cost-card.js';
import { compareResults } from './analysis/compare/compare.js';
import { findingsOf } from './analysis/findings.js';
import { readResult } from './core/migrate.js';
import { isOk, type Result } from './core/result.js';
import { csvOf } from './report/csv.js';
import { renderComparisonPage } from './report/html/comparison/page.js';
import { renderPage } from './report/html/page.js';
import { richResult } from './report/html/rich-result.test-support.js';
import { renderComparisonMarkdown } from './report/markdown/comparison.js';
import { renderCostCard } from './report/markdown/cost-card.js';
import { csvPieces } from './report/rows/csv.js';
import { parquetBytes } from './report/rows/parquet.js';
import { requestColumns } from './report/rows/request-columns.js';
import { tablesOf } from './report/tables/result.js';
import { renderComparison } from './report/terminal/comparison.js';
import { renderFindings } from './report/terminal/findings.js';
import { renderRun } from './report/terminal/run.js';
import { checkSession } from './sensors/session-file.js';
import { plainChat } from './stages/pipeline.js';
import { drawOutcomes } from './workload/draws.js';
import { parsePipeline, withPolicy } from './workload/pipelines/pipeline.js';

/** Each with a plain name of its letters, which lies beside it in any order and is as wide. */
const names = [
  ['toString', 'toStrign'],
  ['constructor', 'constructro'],
  ['hasOwnProperty', 'hasOwnPropetry'],
  ['valueOf', 'valeuOf'],
] as const;

/** The rich result in which `name` names whatever others may name. */
function named(name: string): unknown {
  const result = JSON.parse(
    JSON.stringify(richResult())
      .replaceAll('"m"', `"${name}"`)
      .replaceAll('"m/p', `"${name}/p`)
      .replaceAll('"package-0"', `"${name}"`)
      .replaceAll('"energy/package-0"', `"energy/${name}"`)
      .replaceAll('"residentMemory"', `"${name}"`)
      .replaceAll('"safety"', `"${name}"`)
      .replaceAll('"nvml"', `"${name}"`),
  ) as Result;
  const [firstCell] = result.cells;
  return {
    ...result,
    run: { ...result.run, suite: name, questions: [question(name)] },
    hardware: {
      ...result.hardware,
      ceilings: { ...result.hardware.ceilings, gemm: { [name]: result.hardware.ceilings!.gemm.fp32 } },
    },
    environment: { ...result.environment, packages: { [name]: '1' } },
    metrics: { ...result.metrics, [name]: result.metrics.cpuTime },
    // A factor that the first cell lacks.
    cells: result.cells.map((cell, index) => {
      const { [name]: _own, ...factors } = cell.factors;
      return {
        ...cell,
        factors: cell === firstCell ? factors : { ...factors, [name]: index % 2 === 0 ? 'a' : 'b' },
      };
    }),
    requests: result.requests.map((row) =>
      isOk(row)
        ? { ...row, absent: { [name]: 'too-short' } }
        : { ...row, outcome: { ...row.outcome, code: name } },
    ),
    conservation: {
      ...result.conservation,
      [name]: { total: 3, requests: 2, idle: 1, unattributed: 0, unit: 'ns' },
    },
    warnings: [{ code: name, message: name, hint: name }],
  };
}

const question = (factor: string) => ({
  ...{ text: 'Is it?', factor, baseline: 'a', metric: 'cpuTime', per: 'request', by: [factor], where: {} },
  statistics: ['mean'],
});

/** All that is said of a result. */
function outputs(json: unknown, { pages }: { pages: boolean }): string[] {
  const result = readResult(JSON.parse(JSON.stringify(json)));
  const findings = findingsOf(result);
  const [comparison] = compareResults(result, [result]);
  const sides = { baseline: 'a', candidate: 'b' };
  const terminal = { width: 100, color: false };
  return [
    JSON.stringify(result),
    JSON.stringify(findings),
    JSON.stringify(costCard(result, findings)),
    JSON.stringify(comparison),
    renderRun(result, terminal),
    renderFindings(findings, terminal),
    renderCostCard(costCard(result, findings), findings, result),
    ...tablesOf(result, findings).map(csvOf),
    [...csvPieces(requestColumns([result]))].join(''),
    renderComparison(comparison!, sides, terminal),
    renderComparisonMarkdown(comparison!, sides),
    ...(pages
      ? [
          renderPage([{ result, findings }]),
          renderComparisonPage([{ comparison: comparison!, names: sides }]),
        ]
      : []),
  ];
}

/** Every text of a Parquet file: names of columns, their values, and what is said of the file. */
async function parquetTexts(result: Result): Promise<string[]> {
  const columns = requestColumns([result]);
  const { buffer } = parquetBytes(columns, { result: result.run.suite ?? '' });
  const file = buffer as ArrayBuffer;
  const metadata = parquetMetadata(file);
  const rows = await parquetReadObjects({ file });
  return [
    ...metadata.schema.map(({ name }) => name),
    ...(metadata.key_value_metadata ?? []).flatMap(({ key, value }) => [key, value ?? '']),
    ...rows.flatMap((row) => [
      ...Object.keys(row),
      ...Object.values(row).filter((value): value is string => typeof value === 'string'),
    ]),
  ];
}

describe('a name with line breaks and control characters', () => {
  // Escape sequences, C1 controls, separators of lines, and what turns the direction of writing around.
  const name = 'a\u001b[2Jb\u009b5mc\r\nd\te\u2028f\u202eg';
  const said = outputs(named(JSON.stringify(name).slice(1, -1)), { pages: true });

  it('brings none of them into what is told or written for people', () => {
    for (const text of said) {
      // CSV ends its lines as RFC 4180 has it.
      expect(text.replaceAll('\r\n', '\n')).not.toMatch(
        /(?![\n\t])[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u,
      );
      expect(text).not.toMatch(/c[\r\n]+d/);
    }
    expect(said.filter((text) => text.includes('[2Jb')).length).toBeGreaterThan(5);
  });

  it('brings none of them into a Parquet file', async () => {
    const texts = await parquetTexts(
      readResult(JSON.parse(JSON.stringify(named(JSON.stringify(name).slice(1, -1))))),
    );
    expect(texts.filter((text) => text.includes('[2Jb')).length).toBeGreaterThan(2);
    for (const text of texts) expect(text).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u);
  });
});

describe.each(names)('the name %s', (name, plain) => {
  it('is a name like any other in a result, and in all that is drawn from it', () => {
    // Pages take a second, and hold what the others hold.
    const pages = name === 'toString';
    const said = outputs(named(name), { pages });
    const expected = outputs(named(plain), { pages });
    // What is rendered may hold the word for reasons of its own, as scripts do.
    for (const [index, text] of said.entries())
      expect(neutral(text, name)).toBe(neutral(neutral(expected[index]!, plain), name));
  });

  it('is no stage, policy, role or unit because objects have something of that name', () => {
    const pipeline = (stage: object) => JSON.stringify({ description: 'd', stages: [stage] });
    expect(() => parsePipeline(pipeline({ type: name }), 'p.json')).toThrow(
      expect.objectContaining({ code: 'bad-pipeline', message: expect.stringContaining(`"${name}"`) }),
    );
    expect(() => parsePipeline(pipeline({ type: 'decode', [name]: 1 }), 'p.json')).toThrow(
      expect.objectContaining({ code: 'bad-pipeline', message: expect.stringContaining(`"${name}"`) }),
    );
    expect(() => withPolicy([...plainChat.stages], `decode.${name}`, 1)).toThrow(/has no policy/);
    const checked = parsePipeline(
      JSON.stringify({
        ...{ description: 'd', models: { [name]: 'minilm-l6' } },
        stages: [
          ...[{ type: 'tokenization' }, { type: 'safety', name, classifier: name, on: 'prompt' }],
          ...[{ type: 'prefill' }, { type: 'decode' }, { type: 'detokenization' }],
        ],
      }),
      'p.json',
    );
    expect(checked.models.get(name)).toMatchObject({ spec: 'minilm-l6' });
    const drawn = drawOutcomes(checked.stages, { draws: 2, seed: 1, difficulty: 0.5 });
    for (const one of drawn) expect(one[name] ?? null).not.toBeTypeOf('function');
  });

  it('is a quantity of a recorded session in whatever unit it has', () => {
    expect(headerOf(name)).toEqual(JSON.parse(JSON.stringify(headerOf(plain)).replaceAll(plain, name)));
  });
});

it('a key called __proto__, which objects cannot hold, is refused', () => {
  const result = richResult();
  const text = JSON.stringify({
    ...result,
    metrics: { ...result.metrics, xxprotoxx: result.metrics.cpuTime },
  });
  expect(() => readResult(JSON.parse(text.replace('xxprotoxx', '__proto__')))).toThrow(
    expect.objectContaining({ code: 'bad-result', message: expect.stringContaining('metrics') }),
  );
  const pipeline = '{"description":"d","models":{"__proto__":"minilm-l6"},"stages":[{"type":"decode"}]}';
  expect(() => parsePipeline(pipeline, 'p.json')).toThrow(expect.objectContaining({ code: 'bad-pipeline' }));
});

function headerOf(name: string) {
  const channel = {
    ...{ id: 0, quantity: name, device: name, unit: 'ratio', kind: 'gauge' },
    ...{ counterPeriodNs: null, periodResolved: true },
  };
  const sensor = {
    ...{ name, reads: name, available: true, reason: null, hint: null, missing: [], periodNs: 1e8 },
    channels: [channel],
  };
  const header = {
    ...{ tokenworkSession: 1, recordedAt: '2026-01-01T00:00:00Z', machine: name, usesGpu: false },
    sensors: [sensor],
  };
  const folder = mkdtempSync(join(tmpdir(), 'tokenwork-names-'));
  try {
    const path = join(folder, 'session.jsonl');
    writeFileSync(path, `${JSON.stringify(header)}\n[1,0,1]\n[2,0,1]\n`);
    return checkSession(path).header;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A text without the name, as it is written and as headings and columns write it. */
function neutral(text: string, name: string): string {
  const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const spaced = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return [name, snake, spaced].reduce((rest, form) => rest.replace(new RegExp(form, 'gi'), '#'), text);
}

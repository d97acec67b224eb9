import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { simulateResult } from '../analysis/simulated-result.test-support.js';
import { encodeModel } from '../models/onnx/proto.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-hostile-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const hostile = 'x\u001b]0;owned\u0007\u009b2J\u202e\r\n::error::owned\n##[error]owned\u2028|\n````\n# owned';

/** Both streams of a command line, as a workflow of GitHub would keep them. */
function tokenwork(...args: string[]) {
  const { CI: _ci, FORCE_COLOR: _color, ...inherited } = process.env;
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    cwd: scratch,
    encoding: 'utf8',
    env: { ...inherited, GITHUB_ACTIONS: 'true', TOKENWORK_CACHE: join(scratch, 'cache') },
  });
  return { status, stdout, stderr };
}

function saved(name: string, content: unknown): string {
  const path = join(scratch, name);
  writeFileSync(path, content instanceof Uint8Array ? content : JSON.stringify(content));
  return path;
}

/** All but line breaks. */
const unsafe = /(?!\r?\n)[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u;

function expectHarmless(text: string) {
  expect(text).not.toMatch(unsafe);
  expect(text).not.toMatch(/^\s*::|##\w*\[/m);
}

const result = simulateResult(
  [
    { promptTokens: 16, completionTokens: 64, rate: 3 },
    { promptTokens: 256, completionTokens: 8, rate: 1 },
    { promptTokens: 128, completionTokens: 128, rate: 2 },
  ],
  { seed: 1, repetitions: 5, noise: 0.01 },
);
const renamed = JSON.parse(
  JSON.stringify(result).replaceAll('"m"', JSON.stringify(hostile)),
) as typeof result;
for (const cell of renamed.cells) {
  const old = cell.id;
  cell.id = `${hostile} ${old}`;
  cell.factors = { ...cell.factors, [hostile]: `${hostile}${old}` };
  for (const request of renamed.requests) if (request.cell === old) request.cell = cell.id;
}
Object.assign(renamed.run, { suite: hostile, command: `tokenwork bench --model '${hostile}'` });
Object.assign(renamed.hardware.cpu, { brand: hostile });
renamed.tool.version = hostile;
renamed.warnings.push({ code: hostile, message: hostile, hint: hostile });
const [failed] = renamed.requests.splice(-1);
const { id, cell, repetition, worker } = failed!;
renamed.requests.push({
  ...{ id, cell, repetition, worker, tokens: null, times: null },
  outcome: { status: 'failed', code: hostile, message: hostile },
});

describe('what foreign files hold reaches no terminal, no log and no table as more than text', () => {
  const path = saved('hostile.json', renamed);
  it.each([
    [['report', path]],
    [['report', path, '--json']],
    [['report', path, '--card']],
    [['report', path, '--card', '--json']],
    [['diff', path, path]],
    [['diff', path, path, '--json']],
    [['diff', path, path, '--markdown']],
  ])('%s', (args) => {
    const { status, stdout, stderr } = tokenwork(...args);
    expect([status, stdout]).toEqual([0, expect.stringContaining('owned')]);
    expectHarmless(stdout);
    expectHarmless(stderr);
  });

  it('report --rows -', () => {
    const { status, stdout } = tokenwork('report', path, '--rows', '-');
    expect(status).toBe(0);
    expectHarmless(stdout);
  });

  it('a card and a comparison keep one row a cell and no heading of others', () => {
    const card = join(scratch, 'card.md');
    expect(tokenwork('report', path, '--card', card).status).toBe(0);
    const { stdout: comparison } = tokenwork('diff', path, path, '--markdown');
    for (const markdown of [readFileSync(card, 'utf8'), comparison]) {
      expect(markdown).not.toMatch(unsafe);
      expect(markdown).not.toMatch(/^# owned|^````$/m);
    }
  });

  it('a result that is refused', () => {
    const { status, stderr } = tokenwork('report', saved('refused.json', { ...renamed, [hostile]: 1 }));
    expect([status, stderr]).toEqual([2, expect.stringContaining('owned')]);
    expectHarmless(stderr);
  });

  it('arguments', () => {
    for (const args of [['report', hostile], [hostile], ['bench', '--suite', hostile], ['flops', hostile]]) {
      const { status, stderr } = tokenwork(...args);
      expect([status, stderr]).toEqual([2, expect.stringContaining('owned')]);
      expectHarmless(stderr);
    }
  });

  it('a suite', () => {
    const suite = {
      description: hostile,
      seed: 1,
      models: [{ model: hostile }],
      repetitions: 1,
      [hostile]: 1,
    };
    const { status, stderr } = tokenwork('bench', '--verbose', '--suite', saved('suite.json', suite));
    expect([status, stderr]).toEqual([2, expect.stringContaining('owned')]);
    expectHarmless(stderr.replaceAll('\t', ' '));
  });

  it('an ONNX file', () => {
    const shape = { dim: [{ dimValue: 1 }, { dimValue: 4 }] };
    const type = { tensorType: { elemType: 1, shape } };
    const model = encodeModel({
      irVersion: 8,
      opsetImport: [
        { domain: '', version: 17 },
        { domain: hostile, version: 1 },
      ],
      graph: {
        name: hostile,
        node: [
          { opType: hostile, domain: hostile, name: hostile, input: ['x'], output: [hostile] },
          { opType: 'Relu', name: 'r', input: [hostile], output: ['y'] },
        ],
        input: [{ name: 'x', type }],
        output: [{ name: 'y', type }],
      },
    });
    const file = saved('hostile.onnx', model);
    for (const more of [[], ['--json'], ['--verbose']]) {
      const { stdout, stderr } = tokenwork('flops', file, '--shape', 'x=1,4', ...more);
      expect(stdout + stderr).toContain('owned');
      expectHarmless(stdout);
      expectHarmless(stderr);
    }
  });
});

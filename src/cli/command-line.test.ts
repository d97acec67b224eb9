import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { simulateResult } from '../analysis/simulated-result.test-support.js';
import { resultSchema } from '../core/result.js';
import { modelCache } from '../models/cache.test-support.js';
import { runCommandLine } from './command-line.js';

// They take seconds to measure, and the tests of runs see to them.
vi.mock('../run/local/ceilings.js', () => ({
  ceilingsFor: async () => ({ memoryBandwidth: null, gemm: {}, threads: 1 }),
  measureCeilingsAgain: async () => {},
}));

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-cli-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const { stdout, stderr } = process;
const cwd = process.cwd();
beforeAll(() => {
  process.chdir(scratch);
  process.env.FORCE_COLOR = '0';
  process.env.TOKENWORK_CACHE = modelCache;
});
afterAll(() => process.chdir(cwd));

/** In this process, as starting one takes a second; each exit code is seen of a process as well. */
async function tokenwork(...args: string[]) {
  const printed = { stdout: '', stderr: '' };
  const keep = (name: 'stdout' | 'stderr') =>
    vi.spyOn(name === 'stdout' ? stdout : stderr, 'write').mockImplementation((text, encoding, done?) => {
      printed[name] += text;
      const written = typeof encoding === 'function' ? encoding : done;
      written?.();
      return true;
    });
  const spies = [keep('stdout'), keep('stderr')];
  process.exitCode = undefined;
  try {
    await runCommandLine(args);
    return { status: Number(process.exitCode ?? 0), ...printed };
  } finally {
    process.exitCode = undefined;
    for (const spy of spies) spy.mockRestore();
  }
}

function saved(name: string, content: unknown): string {
  const path = join(scratch, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const cells = [
  { promptTokens: 16, completionTokens: 64, rate: 3 },
  { promptTokens: 256, completionTokens: 8, rate: 1 },
  { promptTokens: 128, completionTokens: 128, rate: 2 },
];
const measured = (seed: number, slowdown = 1) =>
  simulateResult(
    cells.map((cell) => ({ ...cell, rate: cell.rate * slowdown })),
    { seed, repetitions: 12, noise: 0.01 },
  );

describe('arguments that cannot be used', () => {
  it.each([
    [['bnch'], 'Did you mean bench?'],
    [['bench', '--supress'], 'unknown option'],
    [['bench', '--dtype', 'q5'], 'Did you mean "q4"?'],
    [['bench', '--threads', '0'], 'whole number'],
    [['bench', '--concurrency', '1e9'], 'from 1 to'],
    [['bench', '--suite', 'quik'], 'quick'],
    [['bench', '--limit', '3'], '--trace'],
    [['bench', '--pipeline', 'guarded-chta'], 'guarded-chat'],
    [['trace'], 'No prompt is given'],
    [['trace', 'Hello', '--prompt-file', 'x.txt'], 'more than one way'],
    [['trace', 'Hello', '--limit', '3'], '--limit is of a file of prompts'],
    [['trace', '--prompts', 'nothing.jsonl'], 'nothing.jsonl cannot be read'],
    [['trace', '--prompt-file', '.'], 'cannot be read'],
    [['trace', ''], 'at least one token'],
    [['trace', 'Hello', '--pipeline', 'nothing.json'], 'nothing.json'],
    [['trace', 'Hello', '--answer-tokens', '0'], 'whole number'],
    [['bench', '--model', 'tinyy'], 'tiny'],
    [['flops', 'nothing.onnx'], 'nothing.onnx'],
    [['flops', 'tiny', '--shape', 'input'], 'input=1,3,224,224'],
    [['diff', 'a.json', 'b.json', '--fail-on', 'cpuTme>5%'], 'cpuTime'],
  ])('%j are refused with what to do, without a stack trace', async (args, said) => {
    const { status, stdout, stderr } = await tokenwork(...args);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(said);
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});

describe('flops', () => {
  it('prints the published count of GPT-2 124M at 1,024 tokens', async () => {
    const { status, stdout } = await tokenwork('flops', 'gpt2-124m', '--prompt-tokens', '1024', '--json');
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      model: 'gpt2-124m',
      flops: { matmul: 291_648_307_200 },
      parameters: 124_439_808,
      unknownOps: [],
    });
  });
});

describe('bench', () => {
  it('prints a result and nothing else with --json', async () => {
    const suite = saved('one.json', {
      description: 'One request.',
      models: [{ model: 'tiny', dtype: 'fp32' }],
      design: [{ promptTokens: [4], completionTokens: [2] }],
      repetitions: 1,
      concurrency: 1,
      seed: 1,
    });
    const { status, stdout } = await tokenwork(
      'bench',
      '--suite',
      suite,
      '--json',
      '--out',
      join(scratch, 'r.json'),
    );
    expect(status).toBe(0);
    const result = resultSchema.parse(JSON.parse(stdout));
    expect(result.requests).toHaveLength(1);
    expect(result.run.complete).toBe(true);
  });

  it('replaces no file that lies there unless it is told to', async () => {
    const out = saved('precious.json', measured(1));
    const before = readFileSync(out, 'utf8');
    const { status, stderr } = await tokenwork('bench', '--suite', 'ci', '--out', out);
    expect(status).toBe(2);
    expect(stderr).toMatch(/precious\.json cannot be written: a file lies there\.\n.*--force/);
    expect(readFileSync(out, 'utf8')).toBe(before);
    // Beyond that refusal: the suite is what is refused next.
    const forced = await tokenwork('bench', '--suite', 'no-such', '--out', out, '--force');
    expect(forced.stderr).toContain('no-such');
    expect((await tokenwork('bench', '--suite', 'ci', '--force')).stderr).toContain('without --out');
  });

  it('asks before models of gigabytes are built, and refuses where nobody can answer', async () => {
    const cache = join(scratch, 'empty-cache');
    vi.stubEnv('TOKENWORK_CACHE', cache);
    const large = ['llama-3.2-1b', '--dtype', 'fp32'];
    const out = ['--out', join(scratch, 'large.json')];
    for (const args of [
      ['bench', '--suite', 'ci', '--device', 'cpu', ...out, '--model', ...large],
      ['models', 'build', ...large],
    ]) {
      const { status, stderr } = await tokenwork(...args);
      expect(status).toBe(2);
      // 1,235,814,400 weights of 4 bytes.
      expect(stderr).toMatch(/llama-3\.2-1b \(fp32\).* would have to be built first, 4\.6\d* GiB in /);
      expect(stderr).toContain('--yes');
    }
    vi.unstubAllEnvs();
    process.env.TOKENWORK_CACHE = modelCache;
    expect(existsSync(join(cache, 'models'))).toBe(false);
  });

  it('exits with 3 where every request failed', async () => {
    const suite = saved('late.json', {
      description: 'One request that is late.',
      models: [{ model: 'tiny', dtype: 'fp32' }],
      design: [{ promptTokens: [4], completionTokens: [400] }],
      repetitions: 1,
      concurrency: 1,
      seed: 1,
    });
    const out = join(scratch, 'late-result.json');
    const { status, stdout, stderr } = await tokenwork(
      'bench',
      '--suite',
      suite,
      '--deadline',
      '0.001',
      '--out',
      out,
    );
    expect(status).toBe(3);
    expect(stdout).toContain('deadline-exceeded');
    expect(stderr).toContain(out);
  });

  it('says so before measuring where the result cannot be written', async () => {
    const { status, stderr } = await tokenwork(
      'bench',
      '--suite',
      'ci',
      '--out',
      join(scratch, 'no/such/r.json'),
    );
    expect(status).toBe(2);
    expect(stderr).toContain('no/such');
  });
});

describe('output that cannot be written', () => {
  const list = [main, 'models', 'list'];

  it('is no failure where nobody reads it any more', async () => {
    const child = spawn(process.execPath, list, { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let errors = '';
    child.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(errors).toBe('');
  });

  it('leaves a command its exit code where nobody reads what it prints', async () => {
    const [before, after] = [saved('unread-a.json', measured(1)), saved('unread-b.json', measured(2, 1.3))];
    const args = ['diff', before, after, '--fail-on', 'cpuTime>5%', '--markdown'];
    const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
    child.stdout.destroy();
    expect(await once(child, 'close')).toEqual([1, null]);
  });

  it('exits with 3, and says so, where stdout takes nothing', async () => {
    const readOnly = openSync(saved('read-only', ''), 'r');
    const { status, stderr } = spawnSync(process.execPath, list, {
      stdio: ['ignore', readOnly, 'pipe'],
      encoding: 'utf8',
    });
    closeSync(readOnly);
    expect(status).toBe(3);
    expect(stderr).toContain('Standard output cannot be written');
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  it('keeps its exit code where stderr takes nothing', async () => {
    const readOnly = openSync(saved('read-only', ''), 'r');
    const { status } = spawnSync(process.execPath, [main, 'models', 'path', 'tinyy'], {
      stdio: ['ignore', 'ignore', readOnly],
    });
    closeSync(readOnly);
    expect(status).toBe(2);
  });
});

describe('report', () => {
  it('applies what was measured to a log of usage, and says that it is an estimate', async () => {
    const grid = [16, 64, 256].flatMap((promptTokens) =>
      [8, 32, 128].map((completionTokens) => ({ promptTokens, completionTokens, rate: 1 })),
    );
    // Cells of one kind are alike in all but their lengths.
    const drawn = simulateResult(
      grid.map(({ rate, ...factors }) => ({ ...factors, rate, factors })),
      { seed: 1, repetitions: 3, noise: 0.01 },
    );
    const result = saved('applied.json', drawn);
    const line = { usage: { prompt_tokens: 100, completion_tokens: 20 } };
    const usage = saved('june.jsonl', `${JSON.stringify(line)}\n${JSON.stringify({ error: 'none' })}\n`);
    const text = await tokenwork('report', result, '--usage', usage);
    expect(text.status).toBe(0);
    expect(text.stdout).toMatch(/^Estimated, not measured: .* in 9 measured cells/);
    expect(text.stdout).toContain('Covered: 1 of 1 requests, 100% of their 120 tokens.');
    expect(text.stdout).toContain('1 line holds no usage, and is not counted.');
    const { stdout } = await tokenwork('report', result, '--usage', usage, '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      coverage: { covered: { requests: 1, tokens: 120 } },
      work: { cpuTime: { provenance: 'estimated' } },
      usage: { name: 'june.jsonl', without: 1 },
    });
  });

  it.each([
    [['--out', 'page.html'], '--usage and --out'],
    [['--fail-on', 'misbilled<=1%'], '--usage and --fail-on'],
    [['--usage', 'empty'], 'holds no usage'],
    [['--usage', 'none'], 'cannot be read'],
  ])('refuses a log with %j', async (args, said) => {
    saved('empty', '{}\n');
    const result = saved('applied.json', measured(1));
    const named = args.map((arg) => (arg === 'empty' || arg === 'none' ? join(scratch, arg) : arg));
    const { status, stderr } = await tokenwork('report', result, '--usage', join(scratch, 'empty'), ...named);
    expect(stderr).toContain(said);
    expect(status).toBe(2);
  });

  it('prints findings as JSON', async () => {
    const { status, stdout } = await tokenwork('report', saved('a.json', measured(1)), '--json');
    expect(status).toBe(0);
    expect(JSON.parse(stdout).uniformity.cpuTime.misbilledShare.verdict).toBe('non-uniform');
  });

  describe('--out', () => {
    const path = saved('paged.json', measured(1));
    const page = join(scratch, 'report.html');

    it('writes the page besides the findings, and says where', async () => {
      const { status, stdout, stderr } = await tokenwork('report', path, '--out', page);
      expect(status).toBe(0);
      expect(stdout).toContain('of a per-token bill');
      expect(stderr).toContain(page);
      expect(readFileSync(page, 'utf8')).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
    });

    it('prints the page alone where it goes to stdout', async () => {
      const { status, stdout } = await tokenwork('report', path, '--out', '-');
      expect(status).toBe(0);
      expect(stdout).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
    });

    it('leaves stdout to JSON where that is asked for', async () => {
      const { status, stdout } = await tokenwork('report', path, '--json', '--out', page);
      expect(status).toBe(0);
      expect(JSON.parse(stdout).schemaVersion).toBe(2);
    });

    it.each([
      [['--out', join(scratch, 'no/such/report.html')], 'no/such'],
      [['--out', scratch], 'a folder'],
      [['--out', path], 'a result lies there'],
      [['--out', '-', '--json'], 'either the page or JSON'],
    ])('%j is refused before anything is printed, and nothing is left behind', async (args, said) => {
      const before = readdirSync(scratch);
      const { status, stdout, stderr } = await tokenwork('report', path, ...args);
      expect(status).toBe(2);
      expect(stdout).toBe('');
      expect(stderr).toContain(said);
      expect(readdirSync(scratch)).toEqual(before);
    });

    it('is what a reader is told of', async () => {
      expect((await tokenwork('report', path)).stdout).toMatch(/--out\s+report\.html/);
      expect((await tokenwork('report', path, '--full')).stderr).toContain('--out report.html');
    });
  });

  it.each([
    ['cut short', '{"schemaVersion": 1, "tool"'],
    ['of another tool', '{"name": "package"}'],
    ['from the future', '{"schemaVersion": 99}'],
    ['empty', ''],
  ])('refuses a file that is %s, by name', async (_, content) => {
    const { status, stderr, stdout } = await tokenwork('report', saved('broken.json', content));
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain('broken.json');
  });
});

describe('report --card', () => {
  it('writes a page of Markdown, or prints it or its figures', async () => {
    const path = saved('for-card.json', measured(1));
    const file = join(scratch, 'COST.md');
    expect(await tokenwork('report', path, '--card', file)).toMatchObject({ status: 0, stdout: '' });
    expect(readFileSync(file, 'utf8')).toMatch(/^# What tokens of m cost\n/);
    expect((await tokenwork('report', path, '--card')).stdout).toBe(readFileSync(file, 'utf8'));
    expect(JSON.parse((await tokenwork('report', path, '--card', '--json')).stdout)).toMatchObject({
      cardVersion: 1,
      model: { id: 'm' },
    });
  });

  it('never writes over a result, and leaves nothing half-written', async () => {
    const [path, other] = [saved('one.json', measured(1)), saved('precious.json', measured(2))];
    const before = readFileSync(other, 'utf8');
    // The file after --card is where it goes, not what it is of.
    const { status, stderr } = await tokenwork('report', '--card', other, path);
    expect([status, readFileSync(other, 'utf8') === before]).toEqual([2, true]);
    expect(stderr).toContain('a result lies there');
    expect((await tokenwork('report', path, '--card', join(scratch, 'no/such/COST.md'))).status).toBe(2);
    expect(readdirSync(scratch).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('refuses a model that the result has not, by naming those it has', async () => {
    const { status, stderr } = await tokenwork(
      'report',
      saved('m.json', measured(1)),
      '--card',
      '--model',
      'x',
    );
    expect([status, stderr]).toEqual([2, expect.stringContaining('It has: m.')]);
  });
});

it('colours no pipe, in CI neither, unless it is told to', async () => {
  const path = saved('plain.json', measured(1));
  const printed = (env: NodeJS.ProcessEnv) =>
    spawnSync(process.execPath, [main, 'report', path], { encoding: 'utf8', env: { ...process.env, ...env } })
      .stdout;
  expect(printed({ CI: 'true', FORCE_COLOR: undefined })).not.toContain('\u001b');
  expect(printed({ FORCE_COLOR: '1' })).toContain('\u001b[1m');
});

it('lets no result steer the terminal, in what is printed and what is refused', async () => {
  const hostile = '\u001b]0;owned\u0007\u001b[2J\u009b2J';
  const result = measured(1);
  result.models[0]!.id = hostile;
  result.warnings.push({ code: 'w', message: hostile, hint: hostile });
  const { stdout: printed } = await tokenwork('report', saved('hostile-names.json', result));
  const { stderr: refused } = await tokenwork('report', saved('refused.json', { ...result, [hostile]: 1 }));
  for (const text of [printed, refused]) {
    expect(text).toContain('owned');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  }
});

describe('diff', () => {
  const baseline = saved('baseline.json', measured(1));
  const slower = saved('slower.json', measured(2, 1.3));

  it.each([
    ['cpuTime<=2ms/token', 0, /within the budget/],
    ['cpuTime<=1ms/token', 1, /CPU time per token is 1\.69 ms .* above the budget of 1 ms/],
    ['energy<=1J/request', 2, /cannot be tested/],
  ])('holds a budget of one result, %s, and of the candidate', async (budget, code, said) => {
    for (const args of [
      ['report', baseline],
      ['diff', slower, baseline],
    ]) {
      const { status, stderr } = await tokenwork(...args, '--fail-on', budget);
      expect(stderr).toMatch(said);
      expect(status).toBe(code);
    }
  });

  it('refuses a regression of one result', async () => {
    const { status, stderr } = await tokenwork('report', baseline, '--fail-on', 'cpuTime>5%');
    expect(stderr).toContain('takes two results');
    expect(status).toBe(2);
  });

  it('exits with 1 where a regression is significant and larger than allowed', async () => {
    const { status, stderr } = await tokenwork('diff', baseline, slower, '--fail-on', 'cpuTime>5%');
    expect(stderr).toContain('cpuTime');
    expect(status).toBe(1);
    const args = ['diff', baseline, slower, '--fail-on', 'cpuTime>5%'];
    expect(spawnSync(process.execPath, [main, ...args]).status).toBe(1);
  });

  it('exits with 0 where the regression is smaller than allowed, or there is none', async () => {
    expect((await tokenwork('diff', baseline, slower, '--fail-on', 'cpuTime>50%')).status).toBe(0);
    const again = saved('again.json', measured(3));
    expect((await tokenwork('diff', baseline, again, '--fail-on', 'cpuTime>5%')).status).toBe(0);
  });

  it('takes several runs a side between commas, and one whose name holds a comma', async () => {
    const [other, odd] = [saved('baseline-2.json', measured(4)), saved('odd,name.json', measured(5))];
    const { status, stdout } = await tokenwork('diff', `${baseline},${other}`, odd, '--json');
    expect(status).toBe(0);
    const { runs, cells } = JSON.parse(stdout);
    expect(runs).toMatchObject({ baseline: { length: 2 }, candidate: { length: 1 } });
    const [before, after] = cells[0].repetitions;
    expect(before).toBe(2 * after);
  });

  it('writes a page beside what it prints, or prints that alone', async () => {
    const page = join(scratch, 'diff.html');
    expect((await tokenwork('diff', baseline, slower, '--json', '--out', page)).stdout).toMatch(/^\{/);
    expect(readFileSync(page, 'utf8')).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
    expect((await tokenwork('diff', baseline, slower, '--out', '-')).stdout).toBe(readFileSync(page, 'utf8'));
    const both = await tokenwork('diff', baseline, slower, '--json', '--markdown');
    expect(both).toMatchObject({ status: 2, stdout: '' });
  });

  it('refuses a threshold that nothing could cross, after printing what it found', async () => {
    const { status, stdout, stderr } = await tokenwork('diff', baseline, slower, '--fail-on', 'energy>5%');
    expect([status, stderr]).toEqual([2, expect.stringContaining('cannot be tested')]);
    expect(stdout).toContain('CPU time');
  });

  it('lets no name in a result end a table cell or open a tag in Markdown', async () => {
    const hostile = measured(4);
    const id = 'x | y <img src=x onerror=alert(1)>';
    for (const row of hostile.requests) if (row.cell === 'cell-0') row.cell = id;
    for (const cell of hostile.cells) if (cell.id === 'cell-0') cell.id = id;
    const path = saved('hostile.json', hostile);
    const { status, stdout } = await tokenwork('diff', path, path, '--markdown');
    expect(status).toBe(0);
    expect(stdout).not.toContain('<img');
    expect(stdout).toContain('x \\| y &lt;img');
  });
});

describe('traced prompts', () => {
  it('from a file are a table, with what failed and why', async () => {
    const prompts = saved(
      'prompts.jsonl',
      '"Hi"\n{"prompt": "Long", "max_tokens": 99999, "id": "longest"}\n',
    );
    const { status, stdout, stderr } = await tokenwork(
      ...['trace', '--prompts', prompts, '--pipeline', 'plain-chat', '--model', 'tiny', '--dtype', 'fp32'],
      ...['--repetitions', '1', '--answer-tokens', '3', '--quiet'],
    );
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^2 prompts through plain-chat: a billed token is worth [\d.]+ effective tokens/);
    expect(stdout).toMatch(/^line 1 +Hi +\d+ /m);
    expect(stdout).toMatch(/^longest failed: .*99999 completion tokens/m);
    expect(stdout).toContain('A plain token is');
  });

  it('refuses an empty standard input', () => {
    const { status, stderr } = spawnSync(process.execPath, [main, 'trace', '-'], {
      input: '\n',
      encoding: 'utf8',
    });
    expect(status).toBe(2);
    expect(stderr).toContain('standard input: the prompt is empty');
  });
});

describe('a traced prompt', () => {
  it('is billed a few tokens and worth many, stage by stage', async () => {
    const pipeline = saved('mine.json', {
      description: 'x',
      models: { guard: { model: 'tiny-encoder', dtype: 'fp32' } },
      stages: [
        { type: 'tokenization' },
        { type: 'safety', on: 'prompt', classifier: 'guard', verifier: 'chat', verify: 'always' },
        { type: 'prefill' },
        { type: 'decode' },
      ],
    });
    const { status, stdout, stderr } = await tokenwork(
      ...['trace', 'Hello', '--pipeline', pipeline, '--model', 'tiny', '--dtype', 'fp32'],
      ...['--repetitions', '2', '--json'],
    );
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const { billed, effective, stages, plainToken, cost, claim } = JSON.parse(stdout);
    expect(plainToken).toMatchObject({
      ...{ value: expect.any(Number), unit: 'ns', model: 'tiny' },
      reference: { promptTokens: 128, completionTokens: 128 },
    });
    expect(cost).toMatchObject({ completionTokens: 64, latency: { value: expect.any(Number) } });
    expect(claim).toBeUndefined();
    expect(stages.map(({ name }: { name: string }) => name)).toEqual([
      'tokenization',
      'safety',
      'safety: verification',
      'prefill',
      'decode',
    ]);
    for (const stage of stages) {
      expect(stage).toMatchObject({
        processed: expect.any(Number),
        billed: expect.any(Number),
        effective: expect.any(Number),
        visibility: expect.stringMatching(/^(high|medium|low|none)$/),
      });
    }
    const sum = (field: string) =>
      stages.reduce((total: number, stage: Record<string, number>) => total + stage[field]!, 0);
    expect(sum('billed')).toBe(billed);
    expect(sum('effective')).toBeCloseTo(effective, 6);
    expect(sum('processed')).toBeGreaterThan(48 + billed);
  });
});

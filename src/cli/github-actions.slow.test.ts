/** The workflow that is offered in scripts/github-actions, run step by step as a runner would. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { Result } from '../core/result.js';

interface Workflow {
  permissions: Record<string, string>;
  env: Record<string, string>;
  jobs: Record<string, { steps: { name?: string; uses?: string; run?: string }[] }>;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const workflow = parse(readFileSync(join(root, 'scripts/github-actions/tokenwork.yml'), 'utf8')) as Workflow;
const { steps } = workflow.jobs.measure!;
const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-workflow-'));
afterAll(() => rmSync(scratch, { recursive: true }));
const [output, summary, said, canned] = ['output', 'summary', 'said', 'canned'].map((name) =>
  join(scratch, name),
) as [string, string, string, string];
// What the checkouts and the installation leave.
for (const folder of ['base', 'branch/node_modules/.bin', 'canned'])
  mkdirSync(join(scratch, folder), { recursive: true });
const main = `exec "${process.execPath}" "${join(root, 'dist/cli/main.js')}"`;
shim('branch/node_modules/.bin/tokenwork', `${main} "$@"`);
// `npx tokenwork` measures, or takes results from `canned` as long as there are any; and a `gh` that notes its arguments.
shim(
  'npx',
  `printf '%s\\n' "$@" > "${said}"
  next=$(ls "${canned}" | head -n 1)
  if [ -n "$next" ]; then mv "${canned}/$next" "\${@: -1}"; exit; fi
  shift; ${main} "$@"`,
);
shim('gh', `echo "$@" >> "${said}"; case "$*" in *--paginate*) printf '%s' "$EARLIER";; esac`);

function shim(name: string, script: string): void {
  writeFileSync(join(scratch, name), `#!/bin/bash\n${script}\n`);
  chmodSync(join(scratch, name), 0o755);
}

/** The environment of the job, as the runner fills it in for what is given by hand. */
function environment(inputs: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(workflow.env).map(([name, value]) => [
      name,
      value.replace(
        /\$\{\{ inputs\.(\w+) \|\| '(.*)' \}\}/,
        (_, input: string, otherwise: string) => inputs[input] || otherwise,
      ),
    ]),
  );
}

function run(name: string, env: Record<string, string> = {}, inputs: Record<string, string> = {}) {
  rmSync(join(scratch, 'runs'), { recursive: true, force: true });
  for (const file of [output, summary, said]) writeFileSync(file, '');
  const script = steps.find((step) => step.name === name)!.run!;
  // As a runner calls it.
  return spawnSync('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', script], {
    cwd: scratch,
    encoding: 'utf8',
    env: {
      ...process.env,
      ...environment(inputs),
      PATH: `${scratch}:${process.env.PATH}`,
      RUNNER_TEMP: scratch,
      GITHUB_OUTPUT: output,
      GITHUB_STEP_SUMMARY: summary,
      GITHUB_REPOSITORY: 'owner/name',
      TOKENWORK_CACHE: join(scratch, 'cache'),
      ...env,
    },
  });
}

/** A run of a quiet machine, which one that runs tests cannot promise to be; `position` is its turn among the runs. */
function onQuietRunner(result: Result, position: number, cpuTime = 1e7): Result {
  for (const row of result.requests) {
    if ('runQueueWait' in row) delete row.runQueueWait;
    if (row.work?.cpuTime) row.work.cpuTime = cpuTime * (1 + 0.01 * ((row.repetition + position) % 3));
  }
  const { timeline: _timeline, ...rest } = result;
  const startedAt = new Date(Date.parse('2026-11-24T10:00:00Z') + position * 600_000).toISOString();
  return { ...rest, run: { ...result.run, id: `run-${position}`, startedAt }, warnings: [] };
}

const measured = join(scratch, 'measured.json');

/** Has the next runs give these CPU times, in the order in which they are made. */
function can(cpuTimes: readonly number[]): void {
  for (const name of readdirSync(canned)) rmSync(join(canned, name));
  for (const [position, cpuTime] of cpuTimes.entries()) {
    const quiet = onQuietRunner(JSON.parse(written(measured)) as Result, position, cpuTime);
    writeFileSync(join(canned, `${position}.json`), JSON.stringify(quiet));
  }
}

const written = (path: string) => readFileSync(path, 'utf8');

describe('the workflow for pull requests', () => {
  it('uses actions by commit alone, and may do no more than read and comment', () => {
    for (const { uses } of steps) if (uses) expect(uses).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40}$/);
    expect(workflow.permissions).toEqual({ contents: 'read', 'pull-requests': 'write' });
  });

  it('measures both sides in turn, base branch branch base', () => {
    expect(run('Measure and compare', { ROUNDS: '2', REPETITIONS: '3', BUDGET: '' })).toMatchObject({
      status: 0,
    });
    expect(written(output)).toBe('code=0\n');
    const starts = ['baseline-1', 'candidate-1', 'candidate-2', 'baseline-2'].map((name) => {
      const result = JSON.parse(written(join(scratch, `runs/${name}.json`))) as Result;
      return Date.parse(result.run.startedAt);
    });
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    writeFileSync(measured, written(join(scratch, 'runs/baseline-1.json')));
    expect(written(join(scratch, 'diff.html'))).toMatch(/^<!doctype html>/);
  }, 600_000);

  it('passes where nothing got slower, and fails where something did', () => {
    can([1e7, 1e7, 1e7, 1e7]);
    expect(run('Measure and compare')).toMatchObject({ status: 0 });
    expect(written(output)).toBe('code=0\n');
    expect(written(summary)).toMatch(/^<!-- tokenwork -->\n### tokenwork: /);

    can([1e7, 2e7, 2e7, 1e7]);
    expect(run('Measure and compare')).toMatchObject({ status: 0 });
    expect(written(output)).toBe('code=1\n');
    expect(written(summary)).toContain('more than 10% above it');
    expect(written(summary)).not.toContain('drift-not-covered');
    expect(run('Verdict', { CODE: '1' }).status).toBe(1);
    expect(run('Verdict', { CODE: '0' }).status).toBe(0);
  }, 120_000);

  it('hands inputs on as they are, and leaves out empty ones', () => {
    can([1e7, 1e7, 1e7, 1e7]);
    const model = `a model's; touch "${join(scratch, 'touched')}" $(touch "${join(scratch, 'touched')}")`;
    const budget = 'cpuTime > 500%; flops>1%';
    expect(run('Measure and compare', {}, { model, suite: 'quick', budget })).toMatchObject({ status: 0 });
    expect(written(output)).toBe('code=0\n');
    const [, command, ...options] = written(said).trimEnd().split('\n');
    expect([command, ...options.slice(0, -1)]).toEqual([
      'bench',
      '--repetitions',
      '10',
      '--model',
      model,
      '--suite',
      'quick',
      '--quiet',
      '--out',
    ]);
    expect(existsSync(join(scratch, 'touched'))).toBe(false);
  }, 120_000);

  it('says in the comment why nothing could be compared', () => {
    can([]);
    expect(run('Measure and compare', {}, { suite: 'no-such-suite' })).toMatchObject({ status: 0 });
    expect(written(output)).toBe('code=3\n');
    expect(written(summary)).toContain('no-such-suite');
    expect(written(summary)).toContain('ended with exit code 2');
  }, 120_000);

  it('comments once, and edits that comment from then on', () => {
    const pullRequest = { PULL_REQUEST: '7' };
    expect(run('Comment', { ...pullRequest, EARLIER: '' }).status).toBe(0);
    expect(written(said)).toContain('POST repos/owner/name/issues/7/comments');
    expect(run('Comment', { ...pullRequest, EARLIER: '41\n42\n' }).status).toBe(0);
    expect(written(said)).toContain('PATCH repos/owner/name/issues/comments/41 ');
  });
});

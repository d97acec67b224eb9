/** The workflow that is offered in scripts/github-actions, run step by step as a runner would. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
// What the two checkouts leave.
for (const side of ['base', 'branch']) mkdirSync(join(scratch, side));

const [output, summary, said] = ['output', 'summary', 'said'].map((name) => join(scratch, name)) as [
  string,
  string,
  string,
];
// `npx tokenwork` of an installed package, and a `gh` that notes what it is asked.
shim('npx', `shift; exec "${process.execPath}" "${join(root, 'dist/cli/main.js')}" "$@"`);
shim('gh', `echo "$@" >> "${said}"; case "$*" in *--paginate*) printf '%s' "$EARLIER";; esac`);

function shim(name: string, script: string): void {
  writeFileSync(join(scratch, name), `#!/bin/bash\n${script}\n`);
  chmodSync(join(scratch, name), 0o755);
}

function run(name: string, env: Record<string, string> = {}) {
  for (const file of [output, summary, said]) writeFileSync(file, '');
  const script = steps.find((step) => step.name === name)!.run!;
  // As a runner calls it.
  return spawnSync('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', script], {
    cwd: scratch,
    encoding: 'utf8',
    env: {
      ...process.env,
      ...workflow.env,
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

const written = (path: string) => readFileSync(path, 'utf8');

describe('the workflow for pull requests', () => {
  it('uses actions by commit alone, and may do no more than read and comment', () => {
    for (const { uses } of steps) if (uses) expect(uses).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40}$/);
    expect(workflow.permissions).toEqual({ contents: 'read', 'pull-requests': 'write' });
  });

  it('measures both sides in turn, passes where nothing got slower, and fails where something did', () => {
    expect(run('Measure', { ROUNDS: '1', REPETITIONS: '3' })).toMatchObject({ status: 0 });
    const measured = written(join(scratch, 'branch-1.json'));
    const [base, branch] = ['base-1.json', 'branch-1.json'].map(
      (name) => JSON.parse(written(join(scratch, name))) as Result,
    );
    expect(Date.parse(base!.run.startedAt)).toBeLessThan(Date.parse(branch!.run.startedAt));
    const turns = ['base-1', 'branch-1', 'base-2', 'branch-2'];
    const save = (branchCpuTime: number) => {
      for (const [position, name] of turns.entries()) {
        const cpuTime = name.startsWith('branch') ? branchCpuTime : 1e7;
        const quiet = onQuietRunner(JSON.parse(measured) as Result, position, cpuTime);
        writeFileSync(join(scratch, `${name}.json`), JSON.stringify(quiet));
      }
    };
    save(1e7);
    expect(run('Compare')).toMatchObject({ status: 0 });
    expect(written(output)).toBe('code=0\n');
    expect(written(summary)).toMatch(/^<!-- tokenwork -->\n### tokenwork: /);
    expect(written(join(scratch, 'diff.html'))).toMatch(/^<!doctype html>/);

    save(2e7);
    expect(run('Compare')).toMatchObject({ status: 0 });
    expect(written(output)).toBe('code=1\n');
    expect(written(summary)).toContain('more than 10% above it');
    expect(written(summary)).not.toContain('drift-not-covered');
    expect(run('Verdict', { CODE: '1' }).status).toBe(1);
    expect(run('Verdict', { CODE: '0' }).status).toBe(0);
  }, 600_000);

  it('says in the comment why nothing could be compared', () => {
    expect(run('Compare', { ROUNDS: '3' })).toMatchObject({ status: 0 });
    expect(written(output)).toBe('code=2\n');
    expect(written(summary)).toContain('There is no file');
  });

  it('comments once, and edits that comment from then on', () => {
    const pullRequest = { PULL_REQUEST: '7' };
    expect(run('Comment', { ...pullRequest, EARLIER: '' }).status).toBe(0);
    expect(written(said)).toContain('POST repos/owner/name/issues/7/comments');
    expect(run('Comment', { ...pullRequest, EARLIER: '41\n42\n' }).status).toBe(0);
    expect(written(said)).toContain('PATCH repos/owner/name/issues/comments/41 ');
  });
});

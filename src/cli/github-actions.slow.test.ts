/** The workflow that is offered in scripts/github-actions, run step by step as a runner would. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

/** The result as if nothing else had used the machine, which a machine that runs tests cannot promise. */
function onQuietRunner(result: Result): Result {
  for (const row of result.requests) {
    if ('runQueueWait' in row) delete row.runQueueWait;
    if (row.work?.cpuTime) row.work.cpuTime = 1e7 * (1 + 0.01 * (row.repetition % 3));
  }
  const { timeline: _timeline, ...rest } = result;
  return { ...rest, warnings: [] };
}

const compareWith = (baseline: string) => run('Compare', { BASELINE: baseline });
const written = (path: string) => readFileSync(path, 'utf8');

describe('the workflow for pull requests', () => {
  it('uses actions by commit alone, and may do no more than read and comment', () => {
    for (const { uses } of steps) if (uses) expect(uses).toMatch(/^[\w-]+\/[\w-]+@[0-9a-f]{40}$/);
    expect(workflow.permissions).toEqual({ contents: 'read', 'pull-requests': 'write' });
  });

  it('measures, passes where nothing got slower, and fails where something did', () => {
    // As few as bear a verdict.
    expect(run('Measure', { REPETITIONS: '5' })).toMatchObject({ status: 0 });
    const measured = join(scratch, 'ci.json');
    writeFileSync(measured, JSON.stringify(onQuietRunner(JSON.parse(written(measured)) as Result)));
    expect(compareWith(measured)).toMatchObject({ status: 0 });
    expect(written(output)).toBe('code=0\n');
    expect(written(summary)).toMatch(/^<!-- tokenwork -->\n### tokenwork: /);
    expect(written(join(scratch, 'diff.html'))).toMatch(/^<!doctype html>/);

    const faster = JSON.parse(written(measured)) as Result;
    for (const { work } of faster.requests) if (work?.cpuTime) work.cpuTime /= 2;
    const baseline = join(scratch, 'faster.json');
    writeFileSync(baseline, JSON.stringify(faster));
    expect(compareWith(baseline)).toMatchObject({ status: 0 });
    expect(written(output)).toBe('code=1\n');
    expect(written(summary)).toContain('more than 10% above it');
    expect(run('Verdict', { CODE: '1' }).status).toBe(1);
    expect(run('Verdict', { CODE: '0' }).status).toBe(0);
  }, 240_000);

  it('says in the comment why nothing could be compared', () => {
    expect(compareWith(join(scratch, 'missing.json'))).toMatchObject({ status: 0 });
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

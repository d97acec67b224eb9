/**
 * Inputs that were reduced from public reports, each read as a user would give it; graphs are in
 * `models/cost/hostile-graphs.test.ts`. What cannot be told in a file stands beside its code: nodes out of order in a
 * decoder and an operator without a rule in `models/folder.test.ts`, as are a merged decoder and added tokens; RAPL's
 * zones in `sensors/linux/rapl.test.ts`; the race for a lock in `journal/lock.test.ts`.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compareResults } from './analysis/compare/compare.js';
import { findingsOf } from './analysis/findings.js';
import { readResult } from './core/migrate.js';
import type { Result } from './core/result.js';
import { recipeFromConfig } from './models/hf-config.js';
import { readJsonObject } from './models/json-file.js';
import { parameterCount } from './models/recipe.js';
import { parseSmiInventory } from './sensors/nvidia/nvidia-smi-parser.js';
import { firstAnswer } from './sensors/nvidia/smi-query.js';
import { lacksShared, sharedPath } from './shared-files.test-support.js';
import { readTrace } from './workload/trace.js';

const at = (name: string) => sharedPath('cases', name);
const result = (name: string): Result => readResult(JSON.parse(readFileSync(at(name), 'utf8')));
const refusal = (code: string) => expect.objectContaining({ name: 'TokenworkError', code, exitCode: 2 });

describe.skipIf(lacksShared)('a published case', () => {
  it('31: work that was planted on completion length is explained by it', () => {
    const { drivers } = findingsOf(result('31-drivers-unique-lengths.json')).uniformity.cpuTime!;
    const shareOf = (name: string) => drivers!.find(({ factor }) => factor === name)?.share;
    expect(shareOf('completionTokens')).toBeGreaterThan(0.95);
    expect(shareOf('unexplained')).toBeLessThan(0.05);
  });

  it('32: a machine with neighbours bears no verdict', () => {
    const sides = ['32-busy-a.json', '32-busy-b.json'].map(result);
    const [comparison] = compareResults(sides[0]!, [sides[1]!]);
    expect(comparison!.warnings.map(({ code }) => code)).toContain('measured-busy');
    expect(
      comparison!.cells.filter(({ metric, verdict }) => metric === 'cpuTime' && verdict !== null),
    ).toEqual([]);
    expect(comparison!.geomean.cpuTime!.low).toBeLessThan(1);
    expect(comparison!.geomean.cpuTime!.high).toBeGreaterThan(1);
  });

  it('33: peak memory below the KV cache that it holds is no finding', () => {
    const { uniformity, notMeasured } = findingsOf(result('33-peak-memory-tiny.json'));
    expect(uniformity).not.toHaveProperty('peakMemory');
    expect(notMeasured.peakMemory).toMatch(/./);
  });

  it('48: a figure beyond all others is refused', () => {
    expect(() => result('48-huge-work-figure.json')).toThrow(refusal('inconsistent-result'));
  });

  it.each([
    ['11-eagle3.json', 'unsupported-architecture'],
    ['18-infinity.json', 'unsupported-architecture'],
    ['45-architecture-named-tostring.json', 'unsupported-architecture'],
  ])('%s is refused', async (name, code) => {
    const config = await readJsonObject(at(name));
    expect(() => recipeFromConfig(config, name)).toThrow(refusal(code));
  });

  it('17: an old config of Llama has the shape that it says', async () => {
    const recipe = recipeFromConfig(await readJsonObject(at('17-llama-old.json')), 'old');
    // Embedding and head; of its one layer q, k, v and o, the three of the feed-forward, and two norms; the last norm.
    const [hidden, inner, vocabulary] = [256, 640, 32_000];
    const layer = 4 * hidden ** 2 + 3 * hidden * inner + 2 * hidden;
    expect(parameterCount(recipe)).toBe(2 * vocabulary * hidden + layer + hidden);
  });

  it('21: a trace in seconds is read by its lengths and its times', async () => {
    const { requests } = await readTrace(at('21-bailian.jsonl'));
    expect(requests.slice(0, 2)).toMatchObject([
      { promptTokens: 521, completionTokens: 132, arrivalNs: 0 },
      { promptTokens: 400, completionTokens: 80, arrivalNs: 1.386e9 },
    ]);
  });

  it('09: a warning beside the rows of nvidia-smi costs none of them', async () => {
    const answer = await firstAnswer([process.execPath, at('09-inforom/nvidia-smi')], 20_000);
    expect(answer.rows).toMatchObject([{ index: 0, name: 'Tesla V100-SXM2-32GB' }]);
    const power = answer.asked.fields.findIndex(({ channel }) => channel.quantity === 'power');
    expect(answer.rows[0]!.values[power]).toMatchObject({ kind: 'number', value: 41.2 });
    const { gpus } = parseSmiInventory(answerOf('09-inforom/nvidia-smi'));
    expect(gpus).toMatchObject([{ memoryTotalBytes: 32_768 * 2 ** 20 }]);
  });

  it('10: a Jetson is one GPU without a driver', () => {
    const { driverVersion, gpus } = parseSmiInventory(answerOf('10-jetson/nvidia-smi'));
    expect(driverVersion).toBeNull();
    expect(gpus).toMatchObject([{ name: 'Orin (nvgpu)' }]);
  });
});

const answerOf = (program: string): string =>
  spawnSync(process.execPath, [at(program), '-q', '-x'], { encoding: 'utf8' }).stdout;

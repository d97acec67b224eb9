import { describe, expect, it } from 'vitest';
import type { PromptTrace } from '../../analysis/stages/prompt-trace.js';
import type { Result } from '../../core/result.js';
import { renderPromptTable, renderPromptTrace } from './prompt-trace.js';

const exact = (value: number) => ({ value, low: null, high: null });

/** 4 billed tokens, worth 89 at 10 ms each: 62 of a safety check, 27 of the answer. */
const trace = {
  metric: 'cpuTime',
  repetitions: 1,
  cost: {
    ...{ promptTokens: 2, completionTokens: 2, gpuTime: null, energy: null },
    latency: exact(900e6),
    firstToken: exact(700e6),
    tokensPerSecond: exact(5),
    cpuTime: exact(890e6),
  },
  plainToken: exact(10e6),
  reference: { cell: 'tiny/p128/c128', promptTokens: 128, completionTokens: 128 },
  effective: exact(89),
  waterfall: {
    ...{ of: 'prompt', metric: 'cpuTime', requests: 1, billed: 4, effective: 89, inNoStage: 0 },
    stages: [
      {
        name: 'guard',
        component: 'Safety/alignment passes',
        processed: 60,
        billed: 0,
        effective: 62.3,
        visibility: 'none',
      },
      {
        name: 'decode',
        component: 'Output generation (decode)',
        processed: 4,
        billed: 4,
        effective: 26.7,
        visibility: 'high',
      },
    ],
  },
  stages: [],
  claim: [
    { part: 'safety checks', claimed: 20, processed: 60, effective: exact(62.3) },
    { part: 'question and answer', claimed: 4, processed: 4, effective: exact(26.7) },
    { part: 'all', claimed: 89, processed: 64, effective: exact(89) },
  ],
} satisfies PromptTrace;

const result = { metrics: { energy: { provenance: 'unavailable' } }, warnings: [] } as unknown as Result;
const shown = {
  ...{ width: 120, color: false, result, name: '"Hi" through x', model: 'tiny (q4, onnx on cpu)' },
  ...{ isPublishedExample: false, full: false },
};

describe('a traced prompt', () => {
  it('opens with time, speed, work and where it went, and the waterfall after them', () => {
    const lines = renderPromptTrace(trace, shown).split('\n');
    expect(lines.slice(0, 6)).toEqual([
      '900 ms from the prompt to the end of the answer; 700 ms to its first token.',
      '5 tokens/s while it writes its answer of 2 tokens.',
      '890 CPU-ms of work; energy is not measured here (`tokenwork doctor` says why).',
      '70% is safety/alignment passes, 30% output generation (decode); 70% of its CPU time is on no bill.',
      '',
      '"Hi" through x: billed 4 tokens, worth 89 effective tokens by CPU time, 22.3× as many.',
    ]);
  });

  it('names joules where they were measured, and by what', () => {
    const measured = { ...trace, cost: { ...trace.cost, energy: exact(2.53) } };
    const metrics = { energy: { provenance: 'measured', method: 'RAPL' } };
    const text = renderPromptTrace(measured, {
      ...shown,
      result: { ...result, metrics } as unknown as Result,
    });
    expect(text).toContain('890 CPU-ms of work; 2.53 J of energy (RAPL).');
  });

  it('says the plain token with its unit, model and reference request', () => {
    const text = renderPromptTrace(trace, { ...shown, width: 1000 });
    expect(text).toContain('A plain token is 10 ms of CPU time');
    expect(text).toContain(
      'the reference request, 128 + 128 tokens with nothing hidden, on tiny (q4, onnx on cpu)',
    );
  });

  it('is held against the published claim only where it is its example, part by part if asked', () => {
    expect(renderPromptTrace(trace, { ...shown, full: true })).not.toContain('claim');
    const example = { ...shown, width: 1000, isPublishedExample: true };
    const brief = renderPromptTrace(trace, example);
    expect(brief).toContain('we know of no source. Here it is 89, 62.3 of them beside question and answer.');
    expect(brief).not.toContain('claimed');
    expect(renderPromptTrace(trace, { ...example, full: true })).toMatch(/claimed[\s\S]*safety checks +20/);
  });
});

describe('several traced prompts', () => {
  it('are a table, and those that failed are told with their reason', () => {
    const text = renderPromptTable(
      [
        { name: 'first', excerpt: 'Hi', trace, reason: null },
        { name: 'second', excerpt: 'Long', trace: null, reason: 'it is too long.' },
      ],
      { ...shown, pipeline: 'x' },
    );
    expect(text).toContain(
      '2 prompts through x: a billed token is worth 22.3 effective tokens, by CPU time.',
    );
    expect(text).toMatch(/first +Hi +4 +900 +890 +89 +22\.3 +70% safety\/alignment passes/);
    expect(text).toMatch(/second +Long +– +– +– +– +– +failed/);
    expect(text).toContain('second failed: it is too long.');
  });
});

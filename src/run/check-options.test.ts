import { describe, expect, it } from 'vitest';
import { TokenworkError } from '../core/errors.js';
import { checkOptions } from './check-options.js';

function refusal(options: unknown): { message: string; hint: string } {
  try {
    checkOptions(options as never);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(TokenworkError);
    expect(thrown).toMatchObject({ code: 'bad-option', exitCode: 2 });
    return thrown as TokenworkError;
  }
  throw new Error(`${JSON.stringify(options)} was taken`);
}

describe('options of a run', () => {
  it('are taken as they are documented, left out, or undefined', () => {
    checkOptions({});
    checkOptions({ suite: undefined, models: ['tiny'], concurrency: 2, device: 'auto', sensors: 'none' });
    checkOptions({ suite: { description: 'one', models: [{ model: 'tiny' }], design: [], repetitions: 1 } });
    checkOptions({ trace: { path: 'a.csv', limit: 3 }, deadlineMs: 0.5, sensors: 'recorded:a.jsonl' });
    checkOptions({
      sensors: [{ sensor: 'rapl', root: '/sys' }],
      signal: AbortSignal.timeout(1),
      onProgress: () => {},
    });
  });

  it.each([
    ['repetition', 'Did you mean "repetitions"?'],
    ['model', 'Its like here is models.'],
    ['deadline', 'Its like here is deadlineMs.'],
    ['limit', 'Its like here is trace: { path, limit } or prompts: { path, limit }.'],
    ['toString', 'Options: '],
    ['nothing-of-the-kind', 'Options: '],
  ])('are none by the name of %s', (name, hint) => {
    const error = refusal({ [name]: 1 });
    expect(error.message).toBe(`There is no option "${name}" of a run.`);
    expect(error.hint).toContain(hint);
  });

  it.each([
    [{ device: 'cude' }, "device cannot be 'cude'", 'Did you mean "cuda"?'],
    [{ device: 'gpu' }, "device cannot be 'gpu'", /^Use one of auto, cpu, [a-z, ]+\.$/],
    [{ dtype: 'fp23' }, "dtype cannot be 'fp23'", 'Did you mean "fp32"?'],
    [{ engine: 'vllm' }, "engine cannot be 'vllm'", 'Use one of auto, onnx, llama'],
    [{ repetitions: -1 }, 'repetitions is -1', ''],
    [{ repetitions: 1.5 }, 'repetitions is 1.5', ''],
    [{ repetitions: '3' }, "repetitions is '3': expected number", ''],
    [{ concurrency: 1000 }, 'concurrency is 1000', ''],
    [{ seed: -1 }, 'seed is -1', ''],
    [{ models: 'tiny' }, "models is 'tiny': expected array", ''],
    [{ models: ['tiny', 3] }, 'models[1] is 3', ''],
    [{ trace: { path: 'a', limits: 3 } }, 'limits', ''],
    [{ trace: 'a.csv' }, "trace is 'a.csv'", ''],
    [{ deadlineMs: Number.NaN }, 'deadlineMs is NaN', ''],
    [{ sensors: 'all' }, "sensors is 'all'", 'Use auto, none, or recorded:FILE.'],
    [{ suite: 7 }, 'suite is 7', ''],
    [{ suite: { name: '../x' } }, "suite.name is '../x'", ''],
    [{ signal: {} }, 'signal is {}', ''],
    [{ onProgress: 'yes' }, "onProgress is 'yes'", ''],
    [{ suite: 'ci', trace: { path: 'a' } }, 'suite and trace cannot be given together', ''],
    ['ci', "'ci' is none", "{ suite: 'quick'"],
    [null, 'null is none', ''],
  ])('%o are refused', (options, message, hint) => {
    const error = refusal(options);
    expect(error.message).toContain(message);
    if (typeof hint === 'string') expect(error.hint).toContain(hint);
    else expect(error.hint).toMatch(hint);
    expect(error.message).toMatch(/[^.]\.$/);
  });
});

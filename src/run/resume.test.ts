import { describe, expect, it } from 'vitest';
import { header } from '../journal/testing/journal-sample.js';
import type { BenchOptions } from './options.js';
import {
  refuseOtherEngines,
  refuseOtherGpu,
  refuseOtherModels,
  refuseOtherOptions,
  resumeWarnings,
} from './resume.js';

const tool = { version: '0.1.0', commit: null };
const given = (options: Partial<BenchOptions>) => () =>
  refuseOtherOptions(header, { command: '', tool, ...options });
const engine = { backend: 'native', device: 'cpu', version: '1.30.0' };

describe('resuming', () => {
  it('takes what is not said from the run that is resumed', () => {
    expect(given({})).not.toThrow();
    expect(given({ suite: 'sample', repetitions: 3, models: ['m'], dtype: 'fp32', seed: 1 })).not.toThrow();
  });

  it.each([
    [{ suite: 'quick' }, 'suite was sample and is quick'],
    [{ trace: { path: '/x.csv' } }, 'trace was not given and is /x.csv'],
    [
      { prompts: { path: '/x.jsonl', answerTokens: 8 } },
      'prompts was not given and is /x.jsonl; answer-tokens was not given and is 8',
    ],
    [{ models: ['n'] }, 'model was m and is n'],
    [{ dtype: 'q4' as const }, 'dtype was fp32 and is q4'],
    [{ repetitions: 5, seed: 2 }, 'repetitions was 3 and is 5; seed was 1 and is 2'],
    [{ threads: 2 }, 'threads was 1 and is 2'],
    [{ deadlineMs: 100 }, 'deadlineMs was not given and is 100'],
    [{ device: 'webgpu' as const }, 'device was cpu and is webgpu'],
  ])('refuses %j', (options, message) => {
    expect(given(options)).toThrow(
      expect.objectContaining({ code: 'resume-differs', message: expect.stringContaining(message) }),
    );
  });

  it('refuses a model whose files have changed', () => {
    expect(() => refuseOtherModels(header, [{ id: 'm', folder: { sha256: 'abc' } }])).not.toThrow();
    expect(() => refuseOtherModels(header, [{ id: 'm', folder: { sha256: 'def' } }])).toThrow(
      /SHA-256 of m was abc and is def/,
    );
  });

  it('refuses another engine', () => {
    expect(() => refuseOtherEngines(header, [{ id: 'm', engine }])).not.toThrow();
    expect(() => refuseOtherEngines(header, [{ id: 'm', engine: { ...engine, backend: 'node' } }])).toThrow(
      /engine backend of m was native and is node/,
    );
  });

  it('refuses another GPU', () => {
    const adapter = (name: string) => ({
      name,
      kind: 'discrete' as const,
      memoryBytes: null,
      largestBufferBytes: null,
      driver: null,
    });
    const [model] = header.models;
    const began = {
      ...header,
      models: [{ ...model!, engine: { ...model!.engine, adapter: adapter('NVIDIA L4') } }],
    };
    expect(() => refuseOtherGpu(header, { adapter: null })).not.toThrow();
    expect(() => refuseOtherGpu(began, { adapter: adapter('NVIDIA L4') })).not.toThrow();
    expect(() => refuseOtherGpu(began, { adapter: adapter('NVIDIA H100') })).toThrow(
      /GPU was NVIDIA L4 and is NVIDIA H100/,
    );
  });

  it('warns of another machine or another tokenwork', () => {
    expect(resumeWarnings(header, 'cpu-2c-24g', tool)).toEqual([]);
    expect(
      resumeWarnings(header, 'other', { version: '0.2.0', commit: 'abc' }).map(({ code }) => code),
    ).toEqual(['machine-changed', 'tool-changed']);
  });
});

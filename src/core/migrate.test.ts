import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { TokenworkError } from './errors.js';
import { migrations, readResult, upgrade } from './migrate.js';
import type { Result } from './result.js';

const emptyResult: Result = {
  schemaVersion: 4,
  tool: { name: 'tokenwork', version: '0.1.0', commit: null },
  run: {
    id: 'r',
    suite: 'quick',
    seed: 1,
    startedAt: '2026-11-23T10:00:00Z',
    durationNs: 0,
    command: 'tokenwork bench',
    complete: false,
    warmupRequests: 0,
    concurrency: 1,
    repetitions: 3,
    plannedRequests: 0,
  },
  hardware: {
    id: 'machine',
    cpu: { brand: 'CPU', physicalCores: 1, logicalCores: 2 },
    memoryBytes: 1,
    gpus: [],
    ceilings: null,
  },
  environment: { node: 'v20', os: 'linux', packages: {}, sensors: [] },
  models: [],
  metrics: {},
  cells: [],
  requests: [],
  conservation: {},
  warnings: [],
};

describe('reading a result', () => {
  it('returns a current one as it is', () => {
    expect(readResult(structuredClone(emptyResult))).toEqual(emptyResult);
  });

  it.each([null, 'text', [], {}, { schemaVersion: '1' }, { schemaVersion: 0 }])(
    'refuses %j as no result',
    (json) => {
      expect(() => readResult(json)).toThrow(expect.objectContaining({ code: 'not-a-result', exitCode: 2 }));
    },
  );

  it('refuses a version of the future, naming both', () => {
    expect(() => readResult({ ...emptyResult, schemaVersion: 7 })).toThrow(
      expect.objectContaining({
        code: 'result-too-new',
        message: expect.stringMatching(/version 7.*up to 4/),
      }),
    );
  });

  it('says in one sentence what is wrong, and where', () => {
    const requests = [{ id: 0, cell: 'c', repetition: 0, worker: 0, outcome: { status: 'ok' }, stages: [] }];
    let thrown: unknown;
    try {
      readResult({ ...emptyResult, requests });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(TokenworkError);
    expect((thrown as TokenworkError).code).toBe('bad-result');
    expect((thrown as TokenworkError).message).toMatch(
      /requests\[0\]\.\w+: expected object, but it is missing/,
    );
  });
});

describe('migrations', () => {
  const steps = {
    1: (document: Record<string, unknown>) => ({ ...document, b: 'from 1' }),
    2: (document: Record<string, unknown>) => ({ ...document, c: `${document.b}, from 2` }),
  };

  it('are applied one by one up to the current version, leaving the input alone', () => {
    const old = { schemaVersion: 1 };
    expect(upgrade(old, steps, 3)).toEqual({ schemaVersion: 3, b: 'from 1', c: 'from 1, from 2' });
    expect(old).toEqual({ schemaVersion: 1 });
    expect(upgrade({ schemaVersion: 2, b: 'kept' }, steps, 3)).toMatchObject({ c: 'kept, from 2' });
  });

  it('of the second version call measured what times enter into', () => {
    const metric = {
      unit: 'B·s',
      provenance: 'derived',
      method: 'm',
      reason: null,
      hint: null,
    };
    const metrics = { kvByteSeconds: metric, kvBytes: metric };
    expect(upgrade({ schemaVersion: 2, metrics }, migrations, 3).metrics).toMatchObject({
      kvByteSeconds: { provenance: 'measured' },
      kvBytes: { provenance: 'derived' },
    });
  });

  it('must not have a gap', () => {
    expect(() => upgrade({ schemaVersion: 1 }, { 2: steps[2] }, 3)).toThrow(
      /no migration from schema version 1/,
    );
  });
});

describe('a result of version 2', () => {
  it('loses its one sum of all bytes, and says what to do', () => {
    const metric = { unit: 'B', provenance: 'derived', method: 'graph', reason: null, hint: null };
    const row = {
      ...{ id: 0, cell: 'c', repetition: 0, worker: 0, outcome: { status: 'ok' }, interTokenLatency: null },
      tokens: { prompt: 1, completion: 1, cached: 0, reasoning: 0, hidden: 0, processed: 1 },
      times: { submitted: 0, started: 1, firstToken: 2, lastToken: 2 },
      work: { flops: 1, bytesMoved: 2 },
    };
    const stage = {
      ...{ name: 'prefill', type: 'prefill', visible: true, tokens: 1, billed: 1 },
      times: { started: 1, ended: 2 },
      work: { flops: null, bytesMoved: null },
      absent: { flops: 'not-counted', bytesMoved: 'not-counted' },
    };
    const { metrics, requests } = readResult({
      ...emptyResult,
      schemaVersion: 2,
      metrics: { bytesMoved: metric },
      cells: [{ id: 'c', model: 'm', factors: {} }],
      requests: [{ ...row, stages: [stage] }],
    });
    expect(metrics).toEqual({
      memoryTraffic: expect.objectContaining({ provenance: 'unavailable', reason: 'not-counted' }),
      activationBytes: expect.objectContaining({ hint: expect.stringContaining('measure again') }),
    });
    expect(requests[0]).toMatchObject({ work: { flops: 1, memoryTraffic: null, activationBytes: null } });
    expect(requests[0]).toHaveProperty('stages.0.absent', { flops: 'not-counted' });
  });
});

describe('reference results', () => {
  const directory = fileURLToPath(new URL('../../results/', import.meta.url));
  const files = listJson(directory);

  it.skipIf(files.length === 0)('in results/ all open', () => {
    for (const file of files) {
      const result = readResult(JSON.parse(readFileSync(join(directory, file), 'utf8')));
      expect(result.requests.length, file).toBeGreaterThan(0);
    }
  });
});

/** Result files below a folder; the JSON Schema beside them is none. */
function listJson(directory: string): string[] {
  try {
    return readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter(
      (file) => file.endsWith('.json') && !file.endsWith('schema.json'),
    );
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

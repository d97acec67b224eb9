/** Results for the tests of analysis/ and report/, valid by the schema. Imported by tests only. */
import type { FailedRequest, OkRequest, Result } from '../core/result.js';

type Changes<Whole> = { [Key in keyof Whole]?: Whole[Key] | undefined };

/** A request of 4 prompt and 3 completion tokens: queued 10 ns, first token after 100, then 50 each. */
export function okRequest(changes: Changes<OkRequest> = {}): OkRequest {
  return {
    id: 0,
    cell: 'm/p4/c3',
    repetition: 0,
    worker: 0,
    outcome: { status: 'ok' },
    tokens: { prompt: 4, completion: 3, cached: 0, reasoning: 0, hidden: 0, processed: 7 },
    times: { submitted: 1000, started: 1010, firstToken: 1110, lastToken: 1210 },
    interTokenLatency: null,
    work: {
      cpuTime: 700,
      gpuTime: null,
      energy: null,
      peakMemory: 4096,
      kvBytes: 64,
      kvByteSeconds: 1,
      flops: 1000,
      memoryTraffic: 400,
      activationBytes: 100,
    },
    stages: [],
    ...changes,
  } as OkRequest;
}

export function failedRequest(changes: Changes<FailedRequest> = {}): FailedRequest {
  return {
    id: 1,
    cell: 'm/p4/c3',
    repetition: 1,
    worker: 0,
    outcome: { status: 'failed', code: 'worker-died', message: 'The worker exited with code 9.' },
    tokens: null,
    times: null,
    ...changes,
  } as FailedRequest;
}

/** A result of one model `m` (fp32, 1e10 FLOP/s and 1e10 B/s of ceilings) with one cell and no request. */
export function testResult(changes: Changes<Result> = {}): Result {
  return {
    schemaVersion: 4,
    tool: { name: 'tokenwork', version: '0.1.0', commit: null },
    run: {
      id: 'run-1',
      suite: 'quick',
      seed: 1,
      startedAt: '2026-11-23T10:00:00Z',
      durationNs: 61_200_000_000,
      command: 'tokenwork bench --suite quick',
      complete: true,
      warmupRequests: 2,
      concurrency: 1,
      repetitions: 3,
      plannedRequests: 1,
    },
    hardware: {
      id: 'epyc-9b14-2c-24g',
      cpu: { brand: 'AMD EPYC 9B14', physicalCores: 2, logicalCores: 2 },
      memoryBytes: 24 * 2 ** 30,
      gpus: [],
      ceilings: {
        memoryBandwidth: { value: 1e10, unit: 'B/s', method: 'streaming read' },
        gemm: { fp32: { value: 1e10, unit: 'FLOP/s', method: 'MatMul of 1024³' } },
        threads: 1,
      },
    },
    environment: { node: 'v20.20.2', os: 'Linux', packages: {}, sensors: [] },
    models: [testModel('m', 'fp32')],
    metrics: {
      cpuTime: metric('ns', 'measured', 'thread schedstat'),
      energy: {
        ...metric('J', 'unavailable', 'RAPL package'),
        reason: 'permission',
        hint: 'Give read access to /sys/class/powercap.',
      },
    },
    cells: [{ id: 'm/p4/c3', model: 'm', factors: { promptTokens: 4, completionTokens: 3, batch: 1 } }],
    requests: [],
    conservation: {},
    warnings: [],
    ...changes,
  } as Result;
}

export function testModel(id: string, dtype: string): Result['models'][number] {
  const nothing: never[] = [];
  return {
    id,
    source: 'synthesised',
    sha256: 'abc',
    parameters: 134_515_008,
    dtype,
    graphVariant: 'contrib',
    contextLength: 8192,
    engine: {
      name: 'onnx',
      backend: 'native',
      backendReason: 'the C API loads',
      device: 'cpu',
      threads: 1,
      sharedSession: true,
      version: '1.30.0',
    },
    cost: {
      flops: { matmul: nothing, executed: nothing, causal: nothing, elementwise: nothing },
      bytes: { weights: nothing, kvRead: nothing, kvWritten: nothing, activations: nothing },
      mixture: null,
      parameters: 134_515_008,
      kvBytesPerToken: 23_040,
    },
    loadNs: 420_000_000,
    warmup: { requests: 2, durationNs: 1_200_000_000 },
  };
}

function metric(unit: string, provenance: Result['metrics'][string]['provenance'], method: string) {
  return { unit, provenance, method, reason: null, hint: null };
}

/**
 * The size of a real run: prompts and completions of several lengths on SmolLM2-135M, three repetitions
 * with about 2% of noise, at rates a laptop core reaches.
 */
export function realisticResult(changes: Changes<Result> = {}): Result {
  const shapes = [16, 64, 256, 512].flatMap((prompt) =>
    [8, 32, 64].map((completion) => [prompt, completion]),
  );
  const cells = shapes.map(([promptTokens, completionTokens]) => ({
    id: `smollm2-135m/p${promptTokens}/c${completionTokens}`,
    model: 'smollm2-135m',
    factors: { promptTokens: promptTokens!, completionTokens: completionTokens!, batch: 1 },
  }));
  let clock = 0;
  const requests = [0, 1, 2].flatMap((repetition) =>
    cells.map((cell, index) => {
      const { promptTokens: prompt, completionTokens: completion } = cell.factors;
      const noise = 1 + 0.02 * Math.sin(7 * index + 3 * repetition);
      const firstToken = clock + Math.round(prompt * 4.9e6 * noise);
      const lastToken = firstToken + Math.round((completion - 1) * 13.7e6 * noise);
      const request = okRequest({
        id: repetition * cells.length + index,
        cell: cell.id,
        repetition,
        tokens: { prompt, completion, cached: 0, reasoning: 0, hidden: 0, processed: prompt + completion },
        times: { submitted: clock, started: clock + 40_000, firstToken, lastToken },
        work: {
          cpuTime: lastToken - clock - 100_000,
          gpuTime: null,
          energy: null,
          peakMemory: 20e6 + prompt * 150_000,
          kvBytes: (prompt + completion) * 23_040,
          kvByteSeconds: 1e6,
          flops: (prompt + completion - 1) * 0.212e9,
          memoryTraffic: completion * 92e6,
          activationBytes: (prompt + completion) * 4e6,
        },
      });
      clock = lastToken + 300_000;
      return request;
    }),
  );
  return testResult({
    models: [testModel('smollm2-135m', 'q4')],
    hardware: {
      ...testResult().hardware,
      ceilings: {
        memoryBandwidth: { value: 14.2e9, unit: 'B/s', method: 'streaming read' },
        gemm: { q4: { value: 78e9, unit: 'FLOP/s', method: 'MatMulNBits' } },
        threads: 1,
      },
    },
    run: { ...testResult().run, plannedRequests: requests.length, durationNs: clock },
    cells,
    requests,
    conservation: {
      cpuTime: {
        total: clock * 1.02,
        requests: clock * 0.99,
        idle: 0,
        unattributed: clock * 0.03,
        unit: 'ns',
      },
    },
    ...changes,
  });
}

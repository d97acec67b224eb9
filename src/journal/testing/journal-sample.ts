import type { JournalEntry, JournalHeader, JournalRow } from '../entry.js';
import type { JournalContents } from '../read.js';

/** A header of a run of two cells, three repetitions each: requests 0 to 5. */
export const header: JournalHeader = {
  kind: 'header',
  version: 2,
  id: 'run-1',
  suite: 'sample',
  startedAt: '2026-11-23T10:00:00.000Z',
  command: 'tokenwork bench --suite sample',
  settings: {
    workload: { suite: 'sample' },
    models: [{ id: 'm', spec: 'm', dtype: 'fp32' }],
    device: 'cpu',
    backend: 'auto',
    threads: 1,
    concurrency: 1,
    repetitions: 3,
    seed: 1,
    warmup: 2,
    deadlineMs: null,
    sampling: { sensors: 'none', energy: false, validate: false },
  },
  tool: { name: 'tokenwork', version: '0.1.0', commit: null },
  hardware: {
    id: 'cpu-2c-24g',
    cpu: { brand: 'CPU', physicalCores: 2, logicalCores: 2 },
    memoryBytes: 24 * 2 ** 30,
    gpus: [],
    ceilings: null,
  },
  environment: { node: 'v20.0.0', os: 'an OS', packages: {}, sensors: [] },
  models: [
    {
      id: 'm',
      source: 'synthesised',
      sha256: 'abc',
      parameters: 5,
      dtype: 'fp32',
      graphVariant: 'contrib',
      contextLength: 100,
      engine: {
        name: 'onnx',
        backend: 'native',
        backendReason: 'it loads',
        device: 'cpu',
        threads: 1,
        sharedSession: true,
        version: '1.30.0',
      },
      cost: {
        flops: { matmul: [], executed: [], causal: [], elementwise: [] },
        bytes: { weights: [], kvRead: [], kvWritten: [], activations: [] },
        mixture: null,
        parameters: 5,
        kvBytesPerToken: 8,
      },
      loadNs: 1000,
    },
  ],
  metrics: {},
  cells: ['m/p1/c1', 'm/p2/c1'].map((id, index) => ({
    id,
    model: 'm',
    factors: { promptTokens: index + 1 },
    request: {
      prompt: { kind: 'synthetic', tokens: index + 1, seed: 1 },
      completionTokens: 1,
      batch: 1,
      stop: 'forced',
      sampling: { kind: 'greedy' },
    },
    count: 1,
  })),
  warnings: [],
};

export function okRow(id: number, cpuTime: number | null = 100, tokenGapsNs: number[] = []): JournalRow {
  const submitted = id * 1000;
  return {
    id,
    cell: header.cells[id % 2]!.id,
    repetition: Math.floor(id / 2),
    worker: 0,
    outcome: { status: 'ok' },
    tokens: { prompt: 1, completion: 1, cached: 0, reasoning: 0, hidden: 0, processed: 2 },
    times: { submitted, started: submitted + 1, firstToken: submitted + 2, lastToken: submitted + 3 },
    tokenGapsNs,
    work: {
      cpuTime,
      gpuTime: null,
      energy: null,
      peakMemory: null,
      kvBytes: 8,
      kvByteSeconds: 1,
      flops: 10,
      memoryTraffic: 3,
      activationBytes: 1,
    },
    stages: [],
  };
}

export const finished = (id: number, processCpuNs: number, cpuTime?: number | null): JournalEntry[] => [
  { kind: 'started', id },
  { kind: 'request', row: okRow(id, cpuTime), processCpuNs },
];

/** A journal as if these entries had been read from it. */
export function contentsOf(of: JournalHeader, entries: readonly JournalEntry[]): JournalContents {
  const rows = new Map<number, JournalRow>();
  for (const entry of entries)
    if (entry.kind === 'request' && !rows.has(entry.row.id)) rows.set(entry.row.id, entry.row);
  return {
    ...{ path: '', header: of, entries, validBytes: 0 },
    rows: [...rows.values()].sort((a, b) => a.id - b.id),
  };
}

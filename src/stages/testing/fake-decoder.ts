import type { CostModel } from '../../core/cost.js';
import { TokenworkError } from '../../core/errors.js';
import type { EngineRecord } from '../../core/records/model.js';
import type { Decoder, Logits, Sequence } from '../../engines/engine.js';
import { HostBlocks } from '../../engines/onnx/host-blocks.js';

export const kvBytesPerPosition = 8;

/** Costs 10 FLOP and 3 bytes per position evaluated, so that totals are positions in disguise. */
export const costPerPosition: CostModel = {
  flops: {
    matmul: [{ coefficient: 10, batch: 1, newTokens: 1, pastTokens: 0 }],
    executed: [],
    causal: [],
    elementwise: [],
  },
  bytes: {
    weights: [],
    kvRead: [],
    kvWritten: [],
    activations: [{ coefficient: 3, batch: 1, newTokens: 1, pastTokens: 0 }],
  },
  mixture: null,
  parameters: 5,
  kvBytesPerToken: kvBytesPerPosition,
};

export interface FakeDecoder extends Decoder {
  /** Token ids of each step, row-major. */
  readonly steps: number[][];
  openSequences: number;
}

export interface FakeOptions {
  vocabulary?: number;
  contextLength?: number;
  bytesPerPosition?: number;
  /** The next token of each row: by default the row's last id plus one, plus the row's number. */
  next?: (lastId: number, row: number, step: number) => number;
  /** Called within each step, before it ends. */
  during?: (step: number) => void;
}

export const fakeRecord: EngineRecord = {
  name: 'fake',
  backend: 'node',
  backendReason: 'a fake for tests',
  device: 'cpu',
  threads: 1,
  sharedSession: false,
  version: '0',
};

/** A decoder whose logits have one clear maximum, decided by `next`; a negative one gives NaN. */
export function fakeDecoder(options: FakeOptions = {}): FakeDecoder {
  const { vocabulary = 50, contextLength = 1000, bytesPerPosition = kvBytesPerPosition, during } = options;
  const next = options.next ?? ((lastId, row) => (lastId + 1 + row) % vocabulary);
  const steps: number[][] = [];
  const decoder: FakeDecoder = {
    record: fakeRecord,
    vocabulary,
    contextLength,
    kvBytesPerPosition: bytesPerPosition,
    threadIds: [],
    sharedHandle: null,
    terminationHandle: null,
    copiesCachedPositions: true,
    tokenizer: null,
    trim() {},
    steps,
    openSequences: 0,
    reserveBlocks: (blocks, blockTokens) => new HostBlocks(blocks, blockTokens * bytesPerPosition),
    open: ({ batch, capacity }) => {
      decoder.openSequences++;
      return sequence(batch, capacity);
    },
    close() {},
  };
  const sequence = (batch: number, capacity: number): Sequence => {
    let length = 0;
    return {
      batch,
      get length() {
        return length;
      },
      get kvBytes() {
        return batch * length * bytesPerPosition;
      },
      async step(tokenIds, keep = 'last'): Promise<Logits> {
        const ids = [...tokenIds].map(Number);
        const newTokens = ids.length / batch;
        during?.(steps.length);
        if (length + newTokens > capacity) throw new TokenworkError('context-exceeded', 'fake', '');
        length += newTokens;
        const positions = keep === 'all' ? newTokens : 1;
        const data = new Float32Array(batch * positions * vocabulary);
        for (let row = 0; row < batch; row++) {
          for (let position = 0; position < positions; position++) {
            const lastId = ids[(row + 1) * newTokens - positions + position]!;
            const token = next(lastId, row, steps.length);
            data[(row * positions + position) * vocabulary + Math.max(token, 0)] = token < 0 ? Number.NaN : 1;
          }
        }
        steps.push(ids);
        return { data, batch, positions, vocabulary };
      },
      routedExperts: () => null,
      truncate(to) {
        length = to;
      },
      exportCache() {},
      importCache(rows) {
        length += rows[0]!.reduce((sum, { byteLength }) => sum + byteLength / kvBytesPerPosition, 0);
      },
      close() {
        decoder.openSequences--;
      },
    };
  };
  return decoder;
}

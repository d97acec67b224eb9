import type { Encoder } from '../../engines/engine.js';
import type { LoadedEncoder } from '../loaded-model.js';
import { costPerPosition, fakeRecord } from './fake-decoder.js';

export interface FakeEncoder extends LoadedEncoder {
  /** Token ids of each row that was read. */
  readonly rows: number[][];
}

/** An encoder of letters, one token each between two marks, whose every vector points the same way. */
export function fakeEncoder(id: string, { contextLength = 20, size = 4 } = {}): FakeEncoder {
  const rows: number[][] = [];
  const read = async (texts: readonly (readonly number[])[]) => {
    rows.push(...texts.map((text) => [...text]));
    return new Float32Array(texts.length * size).fill(1 / Math.sqrt(size));
  };
  const encoder: Encoder = {
    record: fakeRecord,
    vocabulary: 200,
    contextLength,
    threadIds: [],
    sharedHandle: null,
    terminationHandle: null,
    head: 'embedding',
    tokenizer: null,
    size,
    embed: read,
    classify: read,
    close() {},
  };
  const tokenizer = {
    encode: (text: string) => [101, ...Array.from(text, (letter) => letter.charCodeAt(0) % 100), 102],
    encodeChat: null,
    decode: () => '',
  };
  return { id, encoder, cost: costPerPosition, tokenizer, rows };
}

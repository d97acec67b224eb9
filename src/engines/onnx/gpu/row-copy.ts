import type { LayerCache } from '../../../models/decoder-graph.js';
import type { AttributeProto, NodeProto } from '../../../models/onnx/proto.js';
import type { OnnxDevice } from '../../engine.js';
import { type Address, check } from '../native/api.js';
import { Memory, NativeNames } from '../native/memory.js';
import { elementBytes, elementType, NativeSession } from '../native/session.js';
import { deviceGraph, tensorNamed } from './graph.js';

/** Rows of tensors [rows, headDim], to be copied one by one from `from` to `to`. */
export interface RowMoves {
  from: Int32Array;
  to: Int32Array;
}

/**
 * Copies rows between the KV tensors of all layers on a GPU, where they lie and at once: a session of a Gather
 * and a ScatterElements for each tensor. Providers scatter in place where output and input are one, so nothing
 * else is touched. (ScatterND would compare all indices with all others, in every thread, on WebGPU.)
 */
export class DeviceRowCopy {
  readonly #session: NativeSession;
  /** Layers differ in their number of heads in a few models; each number has moves of its own. */
  readonly #heads: number[];
  readonly #inputs: NativeNames;
  readonly #outputs: NativeNames;
  readonly #done: { memory: Memory; value: Address };

  /** Throws as `NativeSession.load`. */
  constructor(layers: readonly LayerCache[], device: Exclude<OnnxDevice, 'cpu'>) {
    const tensors = layers.flatMap((layer) => [layer, layer]);
    this.#heads = [...new Set(layers.map(({ heads }) => heads))];
    this.#session = NativeSession.load(rowCopyModel(tensors, this.#heads), { threads: 1, device });
    this.#inputs = new NativeNames([
      ...this.#heads.flatMap((heads) => [`from${heads}`, `to${heads}`]),
      ...tensors.map((_, i) => `source${i}`),
      ...tensors.map((_, i) => `target${i}`),
    ]);
    this.#outputs = new NativeNames([...tensors.map((_, i) => `result${i}`), 'done']);
    const { headDim, dtype } = tensors.at(-1)!;
    const bytes = headDim * elementBytes[dtype];
    const memory = new Memory(bytes);
    const shape = BigInt64Array.of(1n, BigInt(headDim));
    this.#done = { memory, value: this.#session.tensor(memory.address, bytes, shape, elementType[dtype]) };
  }

  /**
   * Two tensors for each layer, as many rows of each as `movesOf` its number of heads says, at least one.
   * Returns when the GPU has copied them.
   */
  copy(sources: readonly Address[], targets: readonly Address[], movesOf: (heads: number) => RowMoves): void {
    const moves = this.#heads.flatMap((heads) => {
      const { from, to } = movesOf(heads);
      return [this.#indices(from, [from.length]), this.#indices(to, [to.length, 1])];
    });
    const values = BigUint64Array.from([...moves.map(({ value }) => value), ...sources, ...targets]);
    const { api, address } = this.#session;
    try {
      const status = api.run(
        address,
        null,
        this.#inputs.addresses,
        values,
        values.length,
        this.#outputs.addresses,
        targets.length + 1,
        BigUint64Array.from([...targets, this.#done.value]),
      );
      check(api, status, 'copying cached positions on the GPU');
    } finally {
      for (const { memory, value } of moves) {
        api.releaseValue(value);
        memory.release();
      }
    }
  }

  close(): void {
    this.#session.api.releaseValue(this.#done.value);
    this.#done.memory.release();
    this.#session.close();
  }

  #indices(rows: Int32Array, shape: number[]): { memory: Memory; value: Address } {
    const memory = new Memory(rows.byteLength);
    memory.int32().set(rows);
    const dims = BigInt64Array.from(shape, BigInt);
    return {
      memory,
      value: this.#session.tensor(memory.address, rows.byteLength, dims, elementType.int32),
    };
  }
}

function rowCopyModel(tensors: readonly LayerCache[], heads: readonly number[]): Uint8Array {
  const { int32 } = elementType;
  const widths = new Map(tensors.map(({ heads, headDim }) => [`${heads}x${headDim}`, { heads, headDim }]));
  return deviceGraph(
    'row-copy',
    [
      constant('first', [0]),
      ...[...widths].flatMap(([key, { heads, headDim }]): NodeProto[] => [
        constant(`shape${key}`, [1, headDim]),
        { opType: 'Expand', input: [`to${heads}`, `shape${key}`], output: [`to${key}`] },
      ]),
      ...tensors.flatMap(({ heads, headDim }, i): NodeProto[] => [
        { opType: 'Gather', input: [`source${i}`, `from${heads}`], output: [`rows${i}`] },
        {
          opType: 'ScatterElements',
          input: [`target${i}`, `to${heads}x${headDim}`, `rows${i}`],
          output: [`result${i}`],
        },
      ]),
      // What the host reads back: only that makes it wait for the GPU.
      { opType: 'Gather', input: [`result${tensors.length - 1}`, 'first'], output: ['done'] },
    ],
    [
      ...heads.flatMap((count) => [
        tensorNamed(`from${count}`, int32, [`moves${count}`]),
        tensorNamed(`to${count}`, int32, [`moves${count}`, 'one']),
      ]),
      ...tensors.map(({ dtype }, i) =>
        tensorNamed(`source${i}`, elementType[dtype], [`sourceRows${i}`, `width${i}`]),
      ),
      ...tensors.map(({ dtype }, i) =>
        tensorNamed(`target${i}`, elementType[dtype], [`targetRows${i}`, `width${i}`]),
      ),
    ],
    [
      ...tensors.map(({ dtype }, i) =>
        tensorNamed(`result${i}`, elementType[dtype], [`targetRows${i}`, `width${i}`]),
      ),
      tensorNamed('done', elementType[tensors.at(-1)!.dtype], ['one', `width${tensors.length - 1}`]),
    ],
  );
}

function constant(name: string, ints: number[]): NodeProto {
  const attribute: AttributeProto[] = [{ name: 'value_ints', type: 7, ints }];
  return { opType: 'Constant', input: [], output: [name], attribute };
}

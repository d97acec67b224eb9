import { check } from './api.js';
import { type Memory, NativeNames } from './memory.js';
import { elementBytes, elementType, NativeSession, type SessionOptions } from './session.js';

/** A tensor over memory of the caller's. */
export interface BoundTensor {
  name: string;
  dtype: 'fp32' | 'fp16';
  shape: number[];
  memory: Memory;
}

/** A model in memory with its inputs and outputs bound once, to run again and again. */
export class BoundRun {
  readonly #session: NativeSession;
  readonly #inputs: { names: NativeNames; values: BigUint64Array };
  readonly #outputs: { names: NativeNames; values: BigUint64Array };

  /** Throws as `NativeSession.load`. */
  constructor(model: Uint8Array, options: SessionOptions, inputs: BoundTensor[], outputs: BoundTensor[]) {
    const session = NativeSession.load(model, options);
    const bind = (tensors: BoundTensor[]) => ({
      names: new NativeNames(tensors.map(({ name }) => name)),
      values: BigUint64Array.from(tensors, ({ dtype, shape, memory }) => {
        const bytes = shape.reduce((product, dim) => product * dim, elementBytes[dtype]);
        return session.tensor(
          memory.address,
          bytes,
          BigInt64Array.from(shape, (dim) => BigInt(dim)),
          elementType[dtype],
        );
      }),
    });
    this.#session = session;
    this.#inputs = bind(inputs);
    this.#outputs = bind(outputs);
  }

  /** Runs once, on the calling thread and the session's own. Throws TokenworkError `engine-failed`. */
  run(): void {
    const { api, address } = this.#session;
    const [inputs, outputs] = [this.#inputs, this.#outputs];
    const status = api.run(
      address,
      null,
      inputs.names.addresses,
      inputs.values,
      inputs.values.length,
      outputs.names.addresses,
      outputs.values.length,
      outputs.values,
    );
    check(api, status, 'measuring the machine');
  }

  close(): void {
    for (const { values } of [this.#inputs, this.#outputs])
      for (const value of values) this.#session.api.releaseValue(value);
    this.#session.close();
  }
}

import type { EngineRecord } from '../../../core/result.js';
import type { EncoderGraph } from '../../../models/encoder-graph.js';
import { type EncoderFeed, type EncoderModel, OnnxEncoder } from '../onnx-encoder.js';
import type { TextBatch } from '../text-batch.js';
import { check } from './api.js';
import { readFloats } from './float-output.js';
import { IndexTensor } from './index-tensor.js';
import { NativeNames } from './memory.js';
import { type NativeOptions, nativeRecord, openSession } from './open-session.js';
import { giveBackRunOptions, takeRunOptions } from './run-options.js';
import type { NativeSession } from './session.js';

export class NativeEncoder extends OnnxEncoder {
  readonly record: EngineRecord;
  readonly threadIds: readonly number[] | null;
  readonly sharedHandle: bigint;
  readonly terminationHandle: bigint;
  readonly #session: NativeSession;
  readonly #output: EncoderGraph['output'];
  readonly #inputNames: NativeNames;
  readonly #outputNames: NativeNames;

  /** Loads the model, or takes part in a session. Throws as `openSession`. */
  constructor(model: EncoderModel, options: NativeOptions) {
    super(model);
    const { inputIds, attentionMask, tokenTypeIds, output } = model.encoder;
    this.#session = openSession(model.onnxPath, options);
    this.#output = output;
    const inputs = [inputIds, attentionMask, tokenTypeIds].flatMap((input) => (input ? [input.name] : []));
    this.#inputNames = new NativeNames(inputs);
    this.#outputNames = new NativeNames([output.name]);
    this.threadIds = this.#session.threadIds;
    this.sharedHandle = this.#session.address;
    this.terminationHandle = takeRunOptions(this.#session.api);
    this.record = nativeRecord(this.#session, options);
  }

  protected async forward(feeds: EncoderFeed[], { batch, positions }: TextBatch): Promise<Float32Array> {
    const tensors = feeds.map(({ input, values }) => {
      const tensor = new IndexTensor(this.#session, input, batch, positions);
      tensor.copy(values);
      return tensor;
    });
    try {
      const inputs = BigUint64Array.from(tensors, (tensor) => tensor.shaped(batch * positions, positions));
      return this.#run(inputs);
    } finally {
      for (const tensor of tensors) tensor.close();
    }
  }

  protected release(): void {
    giveBackRunOptions(this.terminationHandle);
    this.#session.close();
  }

  #run(inputs: BigUint64Array): Float32Array {
    const { api, address, subnormals } = this.#session;
    const outputs = new BigUint64Array(1);
    // A termination that came too late for the pass before must not stop this one.
    api.runOptionsUnsetTerminate(this.terminationHandle);
    subnormals?.begin();
    const status = api.run(
      address,
      this.terminationHandle,
      this.#inputNames.addresses,
      inputs,
      inputs.length,
      this.#outputNames.addresses,
      1,
      outputs,
    );
    subnormals?.end();
    // A termination asked for is served once; the encoder goes on with the next text.
    if (status !== null) api.runOptionsUnsetTerminate(this.terminationHandle);
    check(api, status, 'encoding a text');
    try {
      return readFloats(this.#session, outputs[0]!, this.#output.dtype);
    } finally {
      api.releaseValue(outputs[0]!);
    }
  }
}

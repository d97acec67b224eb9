import type { EngineRecord } from '../../../core/records/model.js';
import type { EncoderGraph } from '../../../models/encoder/graph.js';
import type { TextBatch } from '../../text-batch.js';
import type { DeviceMean } from '../gpu/mean.js';
import { type EncoderFeed, type EncoderModel, OnnxEncoder } from '../onnx-encoder.js';
import { meanWhereComputed } from '../session-memory.js';
import { type Address, check } from './api.js';
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
  readonly #mean: DeviceMean | null;

  /** Loads the model, or takes part in a session. Throws as `openSession`. */
  constructor(model: EncoderModel, options: NativeOptions) {
    super(model);
    const { inputIds, attentionMask, tokenTypeIds, output } = model.encoder;
    this.#session = openSession(model.onnxPath, options);
    this.#output = output;
    this.#mean = meanWhereComputed(this.#session, output);
    const inputs = [inputIds, attentionMask, tokenTypeIds].flatMap((input) => (input ? [input.name] : []));
    this.#inputNames = new NativeNames(inputs);
    this.#outputNames = new NativeNames([output.name]);
    this.threadIds = this.#session.threadIds;
    this.sharedHandle = this.#session.address;
    this.terminationHandle = takeRunOptions(this.#session.api);
    this.record = nativeRecord(this.#session, options);
  }

  protected async forward(feeds: EncoderFeed[], texts: TextBatch): Promise<Float32Array> {
    return this.#session.exclusively(() =>
      this.#run(feeds, texts, 0n, (value) => readFloats(this.#session, value, this.#output.dtype)),
    );
  }

  protected override async forwardMean(feeds: EncoderFeed[], texts: TextBatch): Promise<Float32Array> {
    const mean = this.#mean;
    if (mean === null) return super.forwardMean(feeds, texts);
    return this.#session.exclusively(() =>
      this.#run(feeds, texts, mean.target(texts), (value) => mean.of(value, texts)),
    );
  }

  /** Writes the profile that was asked for by `profilePrefix`, and returns its path. */
  endProfile(): string {
    return this.#session.endProfile();
  }

  protected release(): void {
    this.#mean?.close();
    giveBackRunOptions(this.terminationHandle);
    this.#session.close();
  }

  /** Hands what a pass gives to `read`: in `target`, which it releases, or in memory of this process for 0. */
  #run(
    feeds: EncoderFeed[],
    { batch, positions }: TextBatch,
    target: Address,
    read: (value: Address) => Float32Array,
  ): Float32Array {
    const { api, address, subnormals } = this.#session;
    const outputs = BigUint64Array.of(target);
    const tensors: IndexTensor[] = [];
    try {
      for (const { input, values } of feeds) {
        const tensor = new IndexTensor(this.#session, input, batch, positions);
        tensors.push(tensor);
        tensor.copy(values);
      }
      const inputs = BigUint64Array.from(tensors, (tensor) => tensor.shaped(batch * positions, positions));
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
      return read(outputs[0]!);
    } finally {
      if (outputs[0] !== 0n) api.releaseValue(outputs[0]!);
      for (const tensor of tensors) tensor.close();
    }
  }
}

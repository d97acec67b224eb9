import type { Tensor } from 'onnxruntime-node';
import { messageOf, TokenworkError } from '../../../core/errors.js';
import type { EngineRecord } from '../../../core/records/model.js';
import type { TextBatch } from '../../text-batch.js';
import { type EncoderFeed, type EncoderModel, OnnxEncoder } from '../onnx-encoder.js';
import { floatsOf } from './sequence.js';
import { loadNodeSession, type NodeSession, nodeRecord } from './session.js';

export class NodeEncoder extends OnnxEncoder {
  readonly record: EngineRecord;
  readonly threadIds: readonly number[] | null;
  readonly sharedHandle = null;
  readonly terminationHandle = null;
  readonly #loaded: NodeSession;
  readonly #outputName: string;

  private constructor(
    model: EncoderModel,
    options: { threads: number; backendReason: string },
    loaded: NodeSession,
  ) {
    super(model);
    this.#loaded = loaded;
    this.#outputName = model.encoder.output.name;
    this.threadIds = loaded.threadIds;
    this.record = nodeRecord(options);
  }

  /** Loads the model with the options of the native back end. Throws as `openingError` says. */
  static async load(
    model: EncoderModel,
    options: { threads: number; backendReason: string },
  ): Promise<NodeEncoder> {
    return new NodeEncoder(model, options, await loadNodeSession(model.onnxPath, options.threads));
  }

  protected async forward(feeds: EncoderFeed[], { batch, positions }: TextBatch): Promise<Float32Array> {
    const { ort, session } = this.#loaded;
    const dims = [batch, positions];
    const tensors = feeds.map(({ input, values }): [string, Tensor] => [
      input.name,
      input.dtype === 'int64'
        ? new ort.Tensor('int64', values, dims)
        : new ort.Tensor('int32', Int32Array.from(values, Number), dims),
    ]);
    try {
      const outputs = await session.run(Object.fromEntries(tensors), [this.#outputName]);
      return floatsOf(outputs[this.#outputName]!);
    } catch (cause) {
      throw new TokenworkError(
        'engine-failed',
        `ONNX Runtime failed encoding ${batch} texts of ${positions} tokens: ${messageOf(cause)}`,
        'Check that the model runs in ONNX Runtime with these lengths, or try another dtype.',
        { cause },
      );
    }
  }

  protected release(): void {
    // The binding frees the session before `release` returns; its promise only reports it.
    void this.#loaded.session.release();
  }
}

import { TokenworkError } from '../../core/errors.js';
import type { EngineRecord } from '../../core/records/model.js';
import type { EncoderGraph } from '../../models/encoder/graph.js';
import type { IndexInput } from '../../models/graph-input.js';
import type { Encoder } from '../engine.js';
import { closedError } from '../step-shape.js';
import { batchTexts, meanOfPositions, normaliseRows, type TextBatch } from '../text-batch.js';

/** The part of `EncoderFolder` that an engine needs. */
export interface EncoderModel {
  onnxPath: string;
  encoder: EncoderGraph;
  contextLength: number;
  vocabulary: number;
}

/** An input of a pass, row-major [batch, positions]. */
export interface EncoderFeed {
  input: IndexInput;
  values: BigInt64Array;
}

/** The part that both back ends share: texts to padded rows, and the graph's output to one result a text. */
export abstract class OnnxEncoder implements Encoder {
  readonly vocabulary: number;
  readonly contextLength: number;
  readonly head: 'embedding' | 'classification';
  readonly size: number;
  readonly tokenizer = null;
  abstract readonly record: EngineRecord;
  abstract readonly threadIds: readonly number[] | null;
  abstract readonly sharedHandle: bigint | null;
  abstract readonly terminationHandle: bigint | null;
  readonly #graph: EncoderGraph;
  #closed = false;

  protected constructor(model: EncoderModel) {
    this.#graph = model.encoder;
    this.vocabulary = model.vocabulary;
    this.contextLength = model.contextLength;
    this.size = model.encoder.output.size;
    this.head = model.encoder.output.kind === 'classification' ? 'classification' : 'embedding';
  }

  async embed(rows: readonly (readonly number[])[]): Promise<Float32Array> {
    const texts = this.#read(rows, 'embedding');
    const feeds = this.#feeds(texts);
    const pools = this.#graph.output.kind !== 'positions';
    const pooled = await (pools ? this.forward(feeds, texts) : this.forwardMean(feeds, texts));
    return normaliseRows(pooled, this.size);
  }

  async classify(rows: readonly (readonly number[])[]): Promise<Float32Array> {
    const texts = this.#read(rows, 'classification');
    return this.forward(this.#feeds(texts), texts);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.release();
  }

  /** One pass; the output widened to fp32, in memory of the caller's own. */
  protected abstract forward(feeds: EncoderFeed[], texts: TextBatch): Promise<Float32Array>;
  protected abstract release(): void;

  /** One pass, each text's positions reduced to their mean. */
  protected async forwardMean(feeds: EncoderFeed[], texts: TextBatch): Promise<Float32Array> {
    return meanOfPositions(await this.forward(feeds, texts), texts, this.size);
  }

  #read(rows: readonly (readonly number[])[], wanted: Encoder['head']): TextBatch {
    if (this.#closed) throw closedError('encoder');
    if (this.head !== wanted)
      throw new TokenworkError(
        'encoder-head',
        `The encoder's head is ${this.head}, and ${wanted} was asked of it.`,
        'Use an encoder with that head.',
      );
    const texts = batchTexts(rows, this);
    if (this.#graph.attentionMask === null && texts.lengths.some((length) => length < texts.positions))
      throw new TokenworkError(
        'invalid-step',
        'This encoder takes no attention mask, so texts of different lengths cannot share a pass.',
        'Encode them one by one.',
      );
    return texts;
  }

  #feeds({ ids, mask }: TextBatch): EncoderFeed[] {
    const { inputIds, attentionMask, tokenTypeIds } = this.#graph;
    const feeds = [{ input: inputIds, values: ids }];
    if (attentionMask) feeds.push({ input: attentionMask, values: mask });
    if (tokenTypeIds) feeds.push({ input: tokenTypeIds, values: new BigInt64Array(ids.length) });
    return feeds;
  }
}

import type { CostModel } from '../core/cost.js';
import type { Encoder } from '../engines/engine.js';
import type { Tokenizer } from '../models/tokenizer.js';
import type { MeteredModel } from './meter.js';

export type TextTokenizer = Pick<Tokenizer, 'encode' | 'decode' | 'encodeChat'>;

/** A loaded decoder, ready to run requests on the calling thread. */
export interface LoadedModel extends MeteredModel {
  /** The run's name for it. */
  id: string;
  eosTokenIds: readonly number[];
  /** Null where nothing of the run is text. */
  tokenizer: TextTokenizer | null;
}

/** A loaded encoder, ready to read texts on the calling thread. */
export interface LoadedEncoder {
  /** The run's name for it. */
  id: string;
  encoder: Encoder;
  cost: CostModel;
  tokenizer: TextTokenizer;
}

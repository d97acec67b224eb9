import type { CostModel, StepShape } from '../core/cost.js';
import { TokenworkError } from '../core/errors.js';
import type { Bytes, Nanoseconds } from '../core/units.js';
import type {
  CachedPositions,
  CacheExport,
  Decoder,
  Logits,
  Sequence,
  SequenceShape,
} from '../engines/engine.js';
import { distinctExperts } from '../engines/routing.js';
import type { Ledger } from './ledger.js';

export interface RequestControl {
  /** Whether someone wants this request stopped; asked after every pass. */
  stopRequested(): boolean;
  /** Called after every pass, so that a watchdog sees progress. */
  onStep(): void;
}

/** A decoder and what its passes cost, by the positions whose logits are kept. */
export interface MeteredModel {
  decoder: Decoder;
  cost: CostModel;
  costOfAllLogits: CostModel;
}

/**
 * Through which a request runs models, whichever they are: every pass is noted in the ledger, and after
 * every pass the request ends where its deadline has passed or someone wants it stopped.
 */
export class Meter {
  readonly #ledger: Ledger;
  readonly #control: RequestControl;
  readonly #deadlineNs: Nanoseconds | null;
  readonly #open = new Set<Sequence>();

  constructor(ledger: Ledger, control: RequestControl, deadlineNs: Nanoseconds | null) {
    this.#ledger = ledger;
    this.#control = control;
    this.#deadlineNs = deadlineNs;
  }

  /** Opens a sequence whose passes are metered. */
  open(model: MeteredModel, shape: SequenceShape): Sequence {
    const sequence = model.decoder.open(shape);
    this.#open.add(sequence);
    return new MeteredSequence(
      sequence,
      (step, keep) => {
        const cost = keep === 'all' ? model.costOfAllLogits : model.cost;
        // Reading the router's output copies it, which a dense model is spared.
        const experts = cost.mixture === null ? undefined : distinctExperts(sequence.routedExperts());
        this.passed(cost, step, experts);
      },
      () => this.#ledger.hold(this.#heldBytes),
      () => this.#open.delete(sequence),
    );
  }

  /** Notes a pass that has just ended. Throws TokenworkError `terminated` where the request is to stop. */
  passed(cost: CostModel, shape: StepShape, experts?: number): void {
    const atNs = this.#ledger.pass(cost, shape, this.#heldBytes, experts);
    this.#control.onStep();
    if (this.#control.stopRequested() || (this.#deadlineNs !== null && atNs > this.#deadlineNs)) {
      throw new TokenworkError('terminated', 'The request was stopped.', 'Run it again.');
    }
  }

  /** Closes what is open, in good order or not. */
  close(): void {
    for (const sequence of this.#open) sequence.close();
    this.#open.clear();
  }

  get #heldBytes(): Bytes {
    let bytes = 0;
    for (const { kvBytes } of this.#open) bytes += kvBytes;
    return bytes;
  }
}

class MeteredSequence implements Sequence {
  readonly #inner: Sequence;
  readonly #passed: (shape: StepShape, keep: 'last' | 'all') => void;
  readonly #heldChanged: () => void;
  readonly #closed: () => void;

  constructor(
    inner: Sequence,
    passed: (shape: StepShape, keep: 'last' | 'all') => void,
    heldChanged: () => void,
    closed: () => void,
  ) {
    this.#inner = inner;
    this.#passed = passed;
    this.#heldChanged = heldChanged;
    this.#closed = closed;
  }

  get batch(): number {
    return this.#inner.batch;
  }

  get length(): number {
    return this.#inner.length;
  }

  get kvBytes(): Bytes {
    return this.#inner.kvBytes;
  }

  async step(tokenIds: BigInt64Array, keep: 'last' | 'all' = 'last'): Promise<Logits> {
    const { batch, length: pastTokens } = this.#inner;
    const logits = await this.#inner.step(tokenIds, keep);
    this.#passed({ batch, newTokens: tokenIds.length / batch, pastTokens }, keep);
    return logits;
  }

  routedExperts(): number[][] | null {
    return this.#inner.routedExperts();
  }

  truncate(length: number): void {
    this.#inner.truncate(length);
    this.#heldChanged();
  }

  exportCache(row: number, exports: readonly CacheExport[]): void {
    this.#inner.exportCache(row, exports);
  }

  importCache(rows: readonly (readonly CachedPositions[])[]): void {
    this.#inner.importCache(rows);
    this.#heldChanged();
  }

  close(): void {
    this.#inner.close();
    this.#closed();
    this.#heldChanged();
  }
}

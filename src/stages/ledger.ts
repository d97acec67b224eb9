import type { CostModel, StepShape } from '../core/cost.js';
import type { Stage, StageType, Tokens } from '../core/result.js';
import type { Bytes, Nanoseconds } from '../core/units.js';
import { notCounted, type Work } from '../core/work.js';
import { cpuBetween, type Instruments, type Reading, readInstruments } from './instruments.js';
import { costOfPasses, type Holding, heldByteSeconds, type Pass, type StepCosts } from './step-costs.js';

/** The part of a stage's account that the stage states when it ends; the ledger adds time and work. */
export interface StageEntry extends Pick<Stage, 'name' | 'visible' | 'tokens' | 'billed'> {
  type: StageType;
  cached?: number;
  model?: string | null;
  detail?: NonNullable<Stage['detail']>;
}

/** The billed tokens, over all rows of a batch. */
export interface Usage {
  prompt: number;
  completion: number;
  /** ⊂ prompt. */
  cached: number;
  /** ⊂ completion. */
  reasoning: number;
}

export interface RequestAccounts {
  tokens: Tokens;
  stages: Stage[];
  /** Peak memory is measured around the request and stands in no stage. */
  work: Omit<Work, 'peakMemory'>;
}

/** When a stage ran, and the CPU time in it; null where it cannot be read. */
export interface StageTimes {
  times: Stage['times'];
  work: { cpuTime: Nanoseconds | null };
}

interface ClosedStage {
  entry: StageEntry;
  from: Reading;
  to: Reading;
  passes: readonly Pass[];
  computed: readonly StepCosts[];
  holdings: readonly Holding[];
  kvBytes: Bytes;
}

/**
 * The ledger of one request. A stage begins where the one before ended, so that the stages add up to the
 * request: nothing falls between two of them. While the request runs, passes are only noted down; what
 * they cost is worked out after its last reading, so that accounting is in no figure.
 */
export class Ledger {
  readonly #instruments: Instruments;
  readonly #started: Reading;
  readonly #stages: ClosedStage[] = [];
  #passes: Pass[] = [];
  #computed: StepCosts[] = [];
  #holdings: Holding[] = [];
  #heldBytes: Bytes = 0;
  #heldBefore: Bytes = 0;
  #last: Reading;

  constructor(instruments: Instruments) {
    this.#instruments = instruments;
    this.#started = readInstruments(instruments);
    this.#last = this.#started;
  }

  get startedNs(): Nanoseconds {
    return this.#started.atNs;
  }

  /**
   * Notes a pass that has just ended, and the KV bytes the request has held since it began. Returns the
   * time.
   */
  pass(cost: CostModel, shape: StepShape, heldBytes: Bytes, distinctExperts?: number): Nanoseconds {
    const atNs = this.#instruments.clock.now();
    this.#passes.push(distinctExperts === undefined ? { cost, shape } : { cost, shape, distinctExperts });
    this.#holdings.push({ untilNs: atNs, bytes: heldBytes });
    this.#heldBytes = heldBytes;
    return atNs;
  }

  /** Notes work other than a model's pass, counted in closed form. */
  compute(costs: StepCosts): void {
    this.#computed.push(costs);
  }

  /** Notes that from now on the request holds so many KV bytes, other than by a pass. */
  hold(heldBytes: Bytes): void {
    if (heldBytes === this.#heldBytes) return;
    this.#holdings.push({ untilNs: this.#instruments.clock.now(), bytes: this.#heldBytes });
    this.#heldBytes = heldBytes;
  }

  /** Ends the open stage; the next one begins here. */
  close(entry: StageEntry): void {
    const to = readInstruments(this.#instruments);
    this.#holdings.push({ untilNs: to.atNs, bytes: this.#heldBytes });
    this.#stages.push({
      entry,
      from: this.#last,
      to,
      passes: this.#passes,
      computed: this.#computed,
      holdings: this.#holdings,
      kvBytes: this.#heldBytes - this.#heldBefore,
    });
    this.#passes = [];
    this.#computed = [];
    this.#holdings = [];
    this.#heldBefore = this.#heldBytes;
    this.#last = to;
  }

  /** Stages closed so far: readings only, where `accounts` counts what was computed. */
  get stageTimes(): StageTimes[] {
    return this.#stages.map(timesOf);
  }

  /** KV bytes that the request holds now. */
  get heldBytes(): Bytes {
    return this.#heldBytes;
  }

  /** CPU time from the beginning to the end of the last stage closed. */
  get cpuTime(): Nanoseconds | null {
    return cpuBetween(this.#started, this.#last);
  }

  /**
   * The accounts of the request, once its last stage is closed. Tokens count every row of a batch.
   * `processed` counts the positions that were consumed and those that were produced; the last token
   * chosen is billed without being fed back, so it costs no pass.
   */
  accounts(usage: Usage): RequestAccounts & { endedNs: Nanoseconds } {
    const rows = this.#stages.map(stageRow);
    const { experts: _experts, ...totals } = costOfPasses(
      this.#stages.flatMap(({ passes }) => passes),
      this.#stages.flatMap(({ computed }) => computed),
    );
    const processed = rows.reduce((sum, { tokens }) => sum + tokens, 0);
    return {
      endedNs: this.#last.atNs,
      tokens: { ...usage, processed, hidden: processed - usage.prompt - usage.completion },
      stages: rows,
      work: {
        cpuTime: this.cpuTime,
        gpuTime: null,
        energy: null,
        kvBytes: this.#heldBytes,
        kvByteSeconds: heldByteSeconds(
          this.#stages.flatMap(({ holdings }) => holdings),
          this.#started.atNs,
        ),
        ...totals,
      },
    };
  }
}

function timesOf({ from, to }: ClosedStage): StageTimes {
  return { times: { started: from.atNs, ended: to.atNs }, work: { cpuTime: cpuBetween(from, to) } };
}

function stageRow(stage: ClosedStage): Stage {
  const { entry, from, passes, computed, holdings, kvBytes } = stage;
  const { times, work } = timesOf(stage);
  const { experts, ...counted } = costOfPasses(passes, computed);
  const { detail, ...rest } = entry;
  return {
    ...rest,
    times,
    work: {
      ...work,
      ...counted,
      kvBytes,
      kvByteSeconds: heldByteSeconds(holdings, from.atNs),
    },
    ...(counted.flops === null && { absent: notCounted }),
    ...((detail || experts) && { detail: { ...detail, ...experts } }),
  };
}

/**
 * The signs that something else used the machine while requests ran, or that something held it back: where they begin
 * to matter, and their words.
 */

import type { ModelRecord } from './records/model.js';

/** Where a sign begins to matter, and from where on a machine was so disturbed that turns do not even it out either. */
interface Level {
  notable: number;
  heavy: number;
}

export const levels = {
  /** Cores that others kept busy: times and an energy of the whole processor are not of the requests alone. */
  cores: { notable: 0.2, heavy: 1 },
  /** Cores that a hypervisor gave to other guests: times are of a machine with fewer. */
  stolenCores: { notable: 0.05, heavy: 0.25 },
  /** Share of the time in which some task waited for a core. */
  stall: { notable: 0.2, heavy: 0.8 },
  /** Share of their own time that requests waited for a core. */
  waited: { notable: 0.02, heavy: 0.1 },
  /** Cores that a quota withheld: times are of how it was dealt out. */
  withheldCores: { notable: 0.02, heavy: 0.1 },
  /** Fall of the limit of the cores' frequency: requests ran on another clock than those before. */
  fall: { notable: 0.02, heavy: 0.1 },
  /** Share of the time in which a GPU was slowed down. */
  slowdown: { notable: 0.02, heavy: 0.1 },
} satisfies Record<string, Level>;

/** A sign, in words with the level from which it matters. */
export interface Sign {
  words: string;
  /** Far beyond that level. */
  heavy: boolean;
}

function sign(value: number, { notable, heavy }: Level, words: string, limit: string): Sign[] {
  return value >= notable ? [{ words: `${words} (limit ${limit})`, heavy: value >= heavy }] : [];
}

/** The use of a machine by others while requests ran. */
export interface OthersUse {
  /** Cores that other processes kept busy. */
  cores: number;
  /** Cores that a hypervisor gave to other guests. */
  stolenCores: number;
  /** Share of the time in which some task waited for a core (PSI). */
  stall: number;
  /** Share of their own time that the requests waited for a core. */
  waited: number;
}

/** The signs of a busy machine; none where the machine was quiet. */
export function busySigns({ cores, stolenCores, stall, waited }: OthersUse): Sign[] {
  const signs = [
    ...sign(
      cores,
      levels.cores,
      `other processes kept ${cores.toFixed(1)} cores busy`,
      `${levels.cores.notable}`,
    ),
    ...sign(
      stolenCores,
      levels.stolenCores,
      `other guests of the host took ${stolenCores.toFixed(2)} cores`,
      `${levels.stolenCores.notable}`,
    ),
    ...sign(
      waited,
      levels.waited,
      `the requests waited for a core for ${percent(waited)} of their time`,
      percent(levels.waited.notable),
    ),
  ];
  // Own threads wait for each other too: pressure alone is no sign of others.
  if (signs.length === 0) return [];
  return [
    ...signs,
    ...sign(
      stall,
      levels.stall,
      `some task waited for a core for ${percent(stall)} of the time`,
      percent(levels.stall.notable),
    ),
  ];
}

/** NVML's clock event reasons of heat and of a power brake; a card at its power limit (4) runs as it always does. */
const slowdownReasons = 0x08 | 0x20 | 0x40 | 0x80;

/** Whether a GPU's mask of reasons says that it was slowed down for heat or by a power brake. */
export const isSlowedDown = (reasons: number): boolean => (reasons & slowdownReasons) !== 0;

/** What held the machine back while requests ran. */
export interface Throttling {
  /** Cores that the CPU quota of a container withheld. */
  withheldCores: number;
  /** How often the processor began to slow down for heat. */
  thermalThrottles: number;
  /** The lowest limit of the cores' frequency, as a share of the highest that was seen before or meanwhile. */
  frequencyLimit: number;
  /** Of each GPU in use, the share of the time in which it was slowed down for heat or by a power brake. */
  slowedGpus: readonly { device: string; share: number }[];
}

/** The signs of a machine that was held back; none where nothing did. */
export function throttleSigns(throttling: Throttling): Sign[] {
  const { withheldCores, thermalThrottles, frequencyLimit, slowedGpus } = throttling;
  // Counted between two readings, of which one may lie outside: half an event is one.
  const times = Math.round(thermalThrottles);
  return [
    ...sign(
      withheldCores,
      levels.withheldCores,
      `a CPU quota withheld ${withheldCores.toFixed(2)} cores`,
      `${levels.withheldCores.notable}`,
    ),
    ...(times > 0 ? [{ words: `the processor was throttled for heat (${times}×)`, heavy: false }] : []),
    ...sign(
      1 - frequencyLimit,
      levels.fall,
      `the limit of the cores' frequency fell to ${percent(frequencyLimit)} of what it was`,
      percent(1 - levels.fall.notable),
    ),
    ...slowedGpus.flatMap(({ device, share }) =>
      sign(
        share,
        levels.slowdown,
        `${device} was slowed down for heat or power for ${percent(share)} of the time`,
        percent(levels.slowdown.notable),
      ),
    ),
  ];
}

/** Whether models keep a GPU busy; a CPU that acts as one keeps none. */
export const runOnGpu = (models: readonly Pick<ModelRecord, 'engine'>[]): boolean =>
  models.some(
    ({ engine }) => !['cpu', 'server'].includes(engine.device) && engine.adapter?.kind !== 'software',
  );

const percent = (share: number): string => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)}%`;

/** A request as its threads were kept waiting. */
export interface QueuedRequest {
  /** ns that its threads were ready and had no core; absent where the system does not tell. */
  runQueueWait?: number | undefined;
  times: { started: number; ended?: number | undefined; lastToken: number | null } | null;
}

/** Adds up how long requests waited for a core. */
export class WaitingTally {
  #waitedNs = 0;
  #servedNs = 0;

  add({ runQueueWait, times }: QueuedRequest): void {
    const endNs = times?.ended ?? times?.lastToken ?? null;
    if (runQueueWait === undefined || times === null || endNs === null) return;
    this.#waitedNs += runQueueWait;
    this.#servedNs += endNs - times.started;
  }

  /** The share of their own time; 0 where the system does not tell. */
  share(): number {
    return this.#servedNs > 0 ? this.#waitedNs / this.#servedNs : 0;
  }
}

export function waitingShare(requests: readonly QueuedRequest[]): number {
  const tally = new WaitingTally();
  for (const request of requests) tally.add(request);
  return tally.share();
}

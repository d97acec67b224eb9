/**
 * The signs that something else used the machine while requests ran, or that something held it back: where they begin
 * to matter, and their words.
 */

import type { ModelRecord } from './result.js';

/** From so many cores on that others kept busy, times and an energy of the whole processor are not of the requests. */
export const notableCores = 0.2;
/** From so many cores on that a hypervisor gave to other guests, times are of a machine with fewer cores. */
const notableStolenCores = 0.05;
/** From such a share of the time on that some task waited for a core, neighbours disturb each other. */
const notableStall = 0.2;
/** From such a share of their own time on that requests waited for a core, they were held up. */
const notableWait = 0.02;

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

/** The signs of a busy machine, in words; none where the machine was quiet. */
export function busySigns({ cores, stolenCores, stall, waited }: OthersUse): string[] {
  const signs = [
    ...(cores >= notableCores ? [`other processes kept ${cores.toFixed(1)} cores busy`] : []),
    ...(stolenCores >= notableStolenCores
      ? [`other guests of the host took ${stolenCores.toFixed(2)} cores`]
      : []),
    ...(waited >= notableWait ? [`the requests waited for a core for ${percent(waited)} of their time`] : []),
  ];
  // Own threads wait for each other too: pressure alone is no sign of others.
  if (signs.length > 0 && stall >= notableStall)
    signs.push(`some task waited for a core for ${percent(stall)} of the time`);
  return signs;
}

/** From so many cores on that a quota withheld, times are of how the quota was dealt out. */
export const notableWithheldCores = 0.02;
/** From such a fall of the limit of the cores' frequency on, requests ran on another clock than those before. */
const notableFall = 0.02;
/** From such a share of the time on that a GPU was slowed down. */
const notableSlowdown = 0.02;

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

/** The signs of a machine that was held back, in words; none where nothing did. */
export function throttleSigns(throttling: Throttling): string[] {
  const { withheldCores, thermalThrottles, frequencyLimit, slowedGpus } = throttling;
  // Counted between two readings, of which one may lie outside: half an event is one.
  const times = Math.round(thermalThrottles);
  return [
    ...(withheldCores >= notableWithheldCores
      ? [`a CPU quota withheld ${withheldCores.toFixed(2)} cores`]
      : []),
    ...(times > 0 ? [`the processor was throttled for heat (${times}×)`] : []),
    ...(frequencyLimit <= 1 - notableFall
      ? [`the limit of the cores' frequency fell to ${percent(frequencyLimit)} of what it was`]
      : []),
    ...slowedGpus
      .filter(({ share }) => share >= notableSlowdown)
      .map(
        ({ device, share }) =>
          `${device} was slowed down for heat or power for ${percent(share)} of the time`,
      ),
  ];
}

/** Whether models keep a GPU busy; a CPU that acts as one keeps none. */
export const runOnGpu = (models: readonly Pick<ModelRecord, 'engine'>[]): boolean =>
  models.some(({ engine }) => engine.device !== 'cpu' && engine.adapter?.kind !== 'software');

const percent = (share: number): string => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)}%`;

/** A request as its threads were kept waiting. */
export interface QueuedRequest {
  /** ns that its threads were ready and had no core; absent where the system does not tell. */
  runQueueWait?: number | undefined;
  times: { started: number; ended?: number | undefined; lastToken: number | null } | null;
}

/** The share of their own time that requests waited for a core; 0 where the system does not tell. */
export function waitingShare(requests: readonly QueuedRequest[]): number {
  let [waitedNs, servedNs] = [0, 0];
  for (const { runQueueWait, times } of requests) {
    const endNs = times?.ended ?? times?.lastToken ?? null;
    if (runQueueWait === undefined || times === null || endNs === null) continue;
    waitedNs += runQueueWait;
    servedNs += endNs - times.started;
  }
  return servedNs > 0 ? waitedNs / servedNs : 0;
}

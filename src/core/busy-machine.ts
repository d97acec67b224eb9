/** The signs that something else used the machine while requests ran: where they begin to matter, and their words. */

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

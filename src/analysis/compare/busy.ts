import { busySigns, waitingShare } from '../../core/busy-machine.js';
import type { Warning } from '../../core/codes.js';
import type { Result, Timeline } from '../../core/result.js';

/**
 * The signs that a result was measured on a busy machine, in words: from its rows and its time line by the thresholds
 * that a run warns by, as older results have the time line alone; else from what the run warned of. The time line of a
 * recording is of another machine.
 */
export function signsOfBusyMachine({ requests, timeline, environment, warnings }: Result): string[] {
  const own = environment.recording === undefined ? (timeline ?? []) : [];
  const window = measuredWindow(requests);
  const rate = (device: string, quantity: string) =>
    meanRate(
      own.find((of) => of.device === device && of.quantity === quantity),
      window,
    );
  const [all, process] = [rate('system', 'busyTime'), rate('process', 'cpuTime')];
  const signs = busySigns({
    cores: all === null || process === null ? 0 : all - process,
    stolenCores: rate('system', 'stolenTime') ?? 0,
    stall: rate('system', 'cpuStall') ?? 0,
    waited: waitingShare(requests),
  });
  if (signs.length > 0) return signs;
  // A sign may have been seen by what the file does not hold: all samples, or the driver of a GPU.
  return warnings.filter(({ code }) => code === 'busy-neighbours').map(({ message }) => withoutStop(message));
}

const withoutStop = (sentence: string): string => sentence.replace(/\.$/, '');

interface Window {
  startNs: number;
  endNs: number;
}

function measuredWindow(requests: Result['requests']): Window {
  let [startNs, endNs] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { times } of requests) {
    if (times === null) continue;
    startNs = Math.min(startNs, times.started);
    endNs = Math.max(endNs, times.lastToken ?? times.started);
  }
  return { startNs, endNs };
}

/** A value is the mean rate since the time before it. `null` where none lies within the window. */
function meanRate(series: Timeline | undefined, { startNs, endNs }: Window): number | null {
  if (series === undefined) return null;
  let [sum, known] = [0, 0];
  for (const [k, value] of series.values.entries()) {
    const since = Math.max(startNs, series.timesNs[k - 1] ?? startNs);
    const elapsed = Math.min(endNs, series.timesNs[k]!) - since;
    if (value === null || elapsed <= 0) continue;
    sum += value * elapsed;
    known += elapsed;
  }
  return known > 0 ? sum / known : null;
}

/** Warns of the sides that were measured on a busy machine. */
export function busyWarnings(signs: {
  baseline: readonly string[];
  candidate: readonly string[];
}): Warning[] {
  const sides = Object.entries(signs).filter(([, own]) => own.length > 0);
  if (sides.length === 0) return [];
  const told = sides.map(([side, own]) => `of the ${side}, ${own.join('; ')}`).join(', and ');
  return [
    {
      code: 'measured-busy',
      message: `The machine was busy while requests ran: ${told}. So nothing that was measured bears a verdict.`,
      hint: 'Stop what else runs on the machine and measure again.',
    },
  ];
}

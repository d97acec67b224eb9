import { busySigns, isSlowedDown, runOnGpu, throttleSigns, waitingShare } from '../../core/busy-machine.js';
import type { Warning, WarningCode } from '../../core/codes.js';
import type { Result, Timeline } from '../../core/result.js';

/**
 * The signs that a result was measured on a machine that was busy or held back, in words: from its rows and its time
 * line by the thresholds that a run warns by, as older results have the time line alone; else from what the run warned
 * of. The time line of a recording is of another machine.
 */
export function signsOfBusyMachine(result: Result): string[] {
  const { requests, environment, models, warnings } = result;
  const own = environment.recording === undefined ? (result.timeline ?? []) : [];
  const window = measuredWindow(requests);
  const find = (device: string, quantity: string) =>
    own.find((of) => of.device === device && of.quantity === quantity);
  const rate = (device: string, quantity: string) => meanRate(find(device, quantity), window);
  const [all, process] = [rate('system', 'busyTime'), rate('process', 'cpuTime')];
  const limit = find('system', 'frequencyLimit');
  const signs = [
    ...busySigns({
      cores: all === null || process === null ? 0 : all - process,
      stolenCores: rate('system', 'stolenTime') ?? 0,
      stall: rate('system', 'cpuStall') ?? 0,
      waited: waitingShare(requests),
    }),
    ...throttleSigns({
      withheldCores: rate('system', 'withheldTime') ?? 0,
      thermalThrottles: ((rate('system', 'thermalThrottles') ?? 0) * (window.endNs - window.startNs)) / 1e9,
      frequencyLimit: limit === undefined ? 1 : loweredLimit(limit, window),
      slowedGpus: runOnGpu(models) ? slowedGpus(own, window) : [],
    }),
  ];
  if (signs.length > 0) return signs;
  // A sign may have been seen by what the file does not hold: all samples, or the driver of a GPU.
  return warnings.filter(({ code }) => disturbed.has(code)).map(({ message }) => withoutStop(message));
}

const disturbed: ReadonlySet<string> = new Set<WarningCode>(['busy-neighbours', 'throttled']);

/** The lowest value while requests ran, as a share of the highest of the time line. */
function loweredLimit(series: Timeline, window: Window): number {
  const meanwhile = within(series, window);
  const highest = Math.max(...series.values.map((value) => value ?? 0));
  return meanwhile.length === 0 || highest === 0 ? 1 : Math.min(...meanwhile) / highest;
}

function slowedGpus(timeline: readonly Timeline[], window: Window) {
  return timeline
    .filter(({ device, quantity }) => device.startsWith('gpu-') && quantity === 'throttleReasons')
    .map((series) => {
      const masks = within(series, window);
      return { device: series.device, share: masks.filter(isSlowedDown).length / Math.max(1, masks.length) };
    });
}

function within({ timesNs, values }: Timeline, { startNs, endNs }: Window): number[] {
  return values.filter(
    (value, index): value is number =>
      value !== null && timesNs[index]! >= startNs && timesNs[index]! <= endNs,
  );
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

/** Warns of the sides that were measured on a machine that was busy or held back. */
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
      hint: 'Stop what else runs on the machine, or what holds it back, and measure again.',
    },
  ];
}

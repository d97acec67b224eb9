import {
  busySigns,
  isSlowedDown,
  runOnGpu,
  type Sign,
  throttleSigns,
  waitingShare,
} from '../../core/busy-machine.js';
import type { Warning, WarningCode } from '../../core/codes.js';
import type { Result, Timeline } from '../../core/result.js';

/**
 * The signs that a result was measured on a machine that was busy or held back: from its rows and its time line by the
 * levels that a run warns by, as older results have the time line alone; else from what the run warned of, which does
 * not tell how far. The time line of a recording is of another machine.
 */
export function signsOfBusyMachine(result: Result): Sign[] {
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
  return warnings
    .filter(({ code }) => disturbed.has(code))
    .map(({ message }) => ({ words: withoutStop(message), heavy: true }));
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

/** What a disturbed machine does to verdicts on what was measured there. */
export interface Disturbance {
  /** `withheld`: there are none. `wider`: their intervals hold what the runs of a side differ by. */
  verdicts: 'as-ever' | 'wider' | 'withheld';
  warnings: Warning[];
}

/**
 * Judges by the runs of both sides. Taking turns evens out a disturbance that both sides had a part of, and shows its
 * size; not one that is heavy, under which figures are of who shared the machine.
 */
export function disturbanceOf(
  sides: { baseline: readonly Result[]; candidate: readonly Result[] },
  inTurn: boolean,
): Disturbance {
  const found = Object.entries(sides).map(([side, runs]) => ({ side, signs: gravest(runs) }));
  const busy = found.filter(({ signs }) => signs.length > 0);
  if (busy.length === 0) return { verdicts: 'as-ever', warnings: [] };
  const told = busy.map(({ side, signs }) => `of the ${side}, ${signs.map(({ words }) => words).join('; ')}`);
  const heavy = busy.some(({ signs }) => signs.some((sign) => sign.heavy));
  const withheld = heavy || !inTurn;
  const consequence = withheld
    ? `So nothing that was measured bears a verdict${inTurn ? ': this is more than turns even out' : ''}.`
    : 'So intervals are wider: they hold what the runs of one side differ by.';
  const hint = withheld
    ? `Stop what else runs on the machine, or what holds it back, and measure again${inTurn ? '' : '; where that cannot be, in turn: tokenwork diff --run'}.`
    : 'More rounds make them narrower, and so does stopping what else runs on the machine.';
  return {
    verdicts: withheld ? 'withheld' : 'wider',
    warnings: [
      {
        code: 'measured-busy',
        message: `The machine was busy while requests ran: ${told.join(', and ')}. ${consequence}`,
        hint,
      },
    ],
  };
}

/** The signs of the run that has most of them, heavy ones first: each of several runs has its own figures. */
function gravest(runs: readonly Result[]): Sign[] {
  const gravity = (signs: readonly Sign[]) => signs.filter(({ heavy }) => heavy).length * 100 + signs.length;
  return runs
    .map(signsOfBusyMachine)
    .reduce((most, signs) => (gravity(signs) > gravity(most) ? signs : most), []);
}

import { setTimeout as delay } from 'node:timers/promises';
import { log, otherwise } from '../../core/log.js';
import type { ArrivalProcess } from '../../core/records/arrivals.js';
import type { Nanoseconds } from '../../core/units.js';
import type { Journal } from '../../journal/append.js';
import type { MeasuredRow, ServedSettings } from '../../journal/entry.js';
import { isPending, type ValidationState } from '../../journal/state.js';
import { openCpuClock } from '../../sensors/linux/cpu-time.js';
import { arrivalTimes } from '../../workload/arrivals/arrival-times.js';
import { requestOf, type ScheduledRequest } from '../../workload/schedule.js';
import type { BenchOptions } from '../options.js';
import { measuringProgress, tell } from '../progress.js';
import type { RunSampling } from '../sampling/start.js';
import { arrivalsRecord, arrivalsWarning, unsentOutcome } from './arrivals-report.js';
import { clientWarning, watchClient } from './client-health.js';
import { closedLoop, openLoop, type SendTimes } from './dispatch.js';
import { processClock } from './precise-wait.js';
import type { PreparedServed } from './prepare.js';
import { servedRow } from './rows.js';
import { apart, type Sender, senderTo } from './send.js';
import type { ServerClocks } from './server-clock.js';
import { type Step, stepsOf } from './steps.js';
import { validateAlone } from './validate.js';

/** A run on servers, or the part of one that is left, when everything is open. */
export interface Served {
  prepared: PreparedServed;
  journal: Journal;
  sampling: RunSampling;
  clocks: ServerClocks | null;
  /** On the run's clock. */
  now(): Nanoseconds;
  options: BenchOptions;
  /** Requests that are done. */
  finished: ReadonlySet<number>;
  validation: ValidationState;
}

/** Servers' own counters are read twice in a second; some are only brought up to date when a request has ended. */
const countersSettleMs = 1200;

/** Between the steps of a sweep, so that a backlog of one is not the next one's. */
const betweenStepsMs = 1000;

/** Measures what is not finished. Returns when all is measured or the signal has stopped it. Throws what journalling throws. */
export async function measureOn(served: Served): Promise<void> {
  const { prepared, journal, sampling, clocks, now, options, finished, validation } = served;
  const { settings, cells } = prepared;
  const { signal } = options;
  const send = senderTo(prepared);
  await sampling.rest('idle-before', signal);
  await warmUp(served, send);
  await countersSettle(settings, signal);
  const steps = stepsOf(prepared, finished);
  const onFinished = measuringProgress(
    steps.flatMap(({ requests }) => requests),
    () => 1,
    now,
    options.onProgress,
  );
  const cpuClock = openCpuClock();
  const startedCpuNs = cpuClock.processNs();
  // Where the servers' own processes are read around each request, it is theirs that the accounts are of.
  const processCpuNs = () => (clocks?.aroundEach ? clocks.usedNs() : cpuClock.processNs() - startedCpuNs);
  processCpuNs();
  sampling.measuring();
  for (const [index, step] of steps.entries()) {
    if (index > 0)
      await delay(betweenStepsMs, undefined, { signal }).catch(otherwise(undefined, 'between two steps'));
    if (signal?.aborted) break;
    await runStep(served, step, { send, processCpuNs, onFinished });
  }
  journal.append({ kind: 'ended', atNs: now(), processCpuNs: processCpuNs() });
  await countersSettle(settings, signal);
  if (isPending(settings, validation) && !signal?.aborted) {
    tell(options.onProgress, 'validating', 'sending the same requests alone');
    await validateAlone({ cells, send, clocks, journal, done: validation.runs, now, signal });
  }
  await sampling.rest('idle-after', signal);
}

/** Waits until what the servers counted up to now has been read. */
async function countersSettle(
  { metricsUrl, sampling }: ServedSettings,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (metricsUrl.length === 0 || sampling.sensors === 'none') return;
  await delay(countersSettleMs, undefined, { signal }).catch(
    otherwise(undefined, 'waiting for the counters of servers'),
  );
}

/** Sends requests that are discarded, to every server. */
async function warmUp({ prepared, journal, now, options }: Served, send: Sender): Promise<void> {
  const { settings, servers, cells } = prepared;
  for (const id of servers.keys()) {
    const own = cells.filter(({ model }) => model === id);
    const cell = own[Math.floor((own.length - 1) / 2)];
    if (cell === undefined) continue;
    tell(options.onProgress, 'warm-up', `warming up ${id}`);
    const startedNs = now();
    let requests = 0;
    for (; requests < settings.warmup && !options.signal?.aborted; requests++)
      await send({ cell, number: apart.warmUp + requests }, options.signal);
    journal.append({ kind: 'warmup', model: id, requests, durationNs: now() - startedNs });
  }
}

interface Sending {
  send: Sender;
  processCpuNs(): Nanoseconds;
  onFinished(request: ScheduledRequest): void;
}

/** Sends every request of a step when it is due, and journals each when it has ended. */
async function runStep(
  served: Served,
  step: Step,
  { send, processCpuNs, onFinished }: Sending,
): Promise<void> {
  const { prepared, journal, clocks, now, options } = served;
  const { settings, cost } = prepared;
  const { signal } = options;
  const { requests, process } = step;
  const around = clocks?.aroundEach ? clocks : null;
  const write = (request: ScheduledRequest, row: MeasuredRow) => {
    const { id, cell, repetition } = request;
    log('request %d: %s', id, row.outcome.status === 'failed' ? row.outcome.code : 'ok');
    journal.append({
      kind: 'request',
      row: { id, cell: cell.id, repetition, worker: 0, ...row },
      processCpuNs: processCpuNs(),
      endedNs: now(),
    });
    onFinished(request);
  };
  const sendOne = async (index: number, { scheduledNs }: SendTimes) => {
    const request = requests[index]!;
    const { cell, repetition } = request;
    const { prompt } = requestOf(request);
    const before = around ? await around.read(cell.model) : null;
    const dueNs = around ? now() : scheduledNs;
    const generation = await send({ cell, number: repetition, prompt }, signal);
    if (signal?.aborted && generation.outcome.status === 'failed') return;
    const after = around ? await around.read(cell.model) : null;
    const cpuTime = before === null || after === null ? null : after - before;
    const row = servedRow(generation, dueNs, cost);
    write(request, cpuTime === null ? row : withCpuTime(row, cpuTime));
  };
  const loop = { send: sendOne, signal, clock: processClock(now) };
  const watched = watchClient();
  const tally =
    process.kind === 'closed'
      ? await closedLoop(requests.length, { ...loop, concurrency: process.concurrency })
      : await openLoop(offsetsOf(step, process, settings.seed), {
          ...loop,
          catchUp: settings.catchUp ? 'send' : 'skip',
          maxInFlight: settings.maxInFlight,
          onUnsent: (index, reason) =>
            write(requests[index]!, { outcome: unsentOutcome(reason), tokens: null, times: null }),
        });
  const client = watched(tally.spunNs);
  const arrivals = arrivalsRecord(process, tally);
  const warnings = [arrivalsWarning(arrivals), clientWarning(client)].flatMap((warning) => warning ?? []);
  journal.append({ kind: 'sent', arrivals, client, warnings });
}

/** Times from the first that is left: a run that goes on does not wait for what it has had. */
function offsetsOf(
  { places, arrivals, recordedNs }: Step,
  process: Exclude<ArrivalProcess, { kind: 'closed' }>,
  seed: number,
): Float64Array {
  const times = arrivalTimes(process, arrivals, { seed, ...(recordedNs && { recordedNs }) });
  const first = times[places[0] ?? 0] ?? 0;
  return Float64Array.from(places, (place) => times[place]! - first);
}

function withCpuTime(row: MeasuredRow, cpuTime: Nanoseconds): MeasuredRow {
  return 'stages' in row
    ? { ...row, work: { ...row.work, cpuTime } }
    : { ...row, work: { ...row.work, cpuTime } };
}

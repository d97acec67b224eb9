import { setTimeout as delay } from 'node:timers/promises';
import { log } from '../../core/log.js';
import type { Nanoseconds } from '../../core/units.js';
import type { GenerateRequest, Generation } from '../../engines/endpoint/endpoint.js';
import type { Journal } from '../../journal/append.js';
import { evenly, isPending, type ValidationState } from '../../journal/state.js';
import { openCpuClock } from '../../sensors/linux/cpu-time.js';
import type { PromptSpec } from '../../stages/request-spec.js';
import { deriveSeed } from '../../stats/random.js';
import type { PlannedCell } from '../../workload/plan.js';
import { type ScheduledRequest, schedule } from '../../workload/schedule.js';
import type { BenchOptions } from '../options.js';
import { measuringProgress, tell } from '../progress.js';
import type { RunSampling } from '../sampling/start.js';
import type { Server } from './connect.js';
import type { PreparedServed } from './prepare.js';
import { servedRow } from './rows.js';

/** A run on servers, or the part of one that is left, when everything is open. */
export interface Served {
  prepared: PreparedServed;
  journal: Journal;
  sampling: RunSampling;
  /** On the run's clock. */
  now(): Nanoseconds;
  options: BenchOptions;
  /** Requests that are done. */
  finished: ReadonlySet<number>;
  validation: ValidationState;
}

/** Measures what is not finished. Returns when all is measured or the signal has stopped it. Throws what journalling throws. */
export async function measureOn(served: Served): Promise<void> {
  const { prepared, sampling, options, finished, validation } = served;
  const { settings, cells } = prepared;
  const { signal } = options;
  const requests = schedule({ cells }, settings).filter(({ id }) => !finished.has(id));
  await sampling.rest('idle-before', signal);
  await warmUp(served);
  sampling.measuring();
  await sendAll(served, requests);
  if (isPending(settings, validation) && !signal?.aborted) await validateAlone(served);
  await sampling.rest('idle-after', signal);
}

/** Draws that no measured request has, so that a server's cache holds nothing of theirs. */
const apart = { warmUp: 1_000_000_000, alone: 2_000_000_000 } as const;

/** Sends requests that are discarded, to every server. */
async function warmUp({ prepared, journal, now, options }: Served): Promise<void> {
  const { settings, servers, cells } = prepared;
  for (const [id, server] of servers) {
    const own = cells.filter(({ model }) => model === id);
    const cell = own[Math.floor((own.length - 1) / 2)];
    if (cell === undefined) continue;
    tell(options.onProgress, 'warm-up', `warming up ${id}`);
    const startedNs = now();
    let requests = 0;
    for (; requests < settings.warmup && !options.signal?.aborted; requests++) {
      await send(server, cell, apart.warmUp + requests, settings.deadlineMs, options.signal);
    }
    journal.append({ kind: 'warmup', model: id, requests, durationNs: now() - startedNs, alongside: {} });
  }
}

/** Sends every request as soon as fewer than `concurrency` are in flight, and journals each when it has ended. */
async function sendAll(
  { prepared, journal, now, options }: Served,
  requests: readonly ScheduledRequest[],
): Promise<void> {
  const { settings, servers, cost } = prepared;
  const { signal } = options;
  const cpuClock = openCpuClock();
  const startedCpuNs = cpuClock.processNs();
  const processCpuNs = () => cpuClock.processNs() - startedCpuNs;
  const onFinished = measuringProgress(requests, () => 1, now, options.onProgress);
  let next = 0;
  const runOne = async (worker: number) => {
    while (!signal?.aborted && next < requests.length) {
      const request = requests[next++]!;
      const { id, cell, repetition } = request;
      const dueNs = now();
      const generation = await send(servers.get(cell.model)!, cell, repetition, settings.deadlineMs, signal);
      const { outcome } = generation;
      log('request %d: %s', id, outcome.status === 'failed' ? outcome.code : 'ok');
      if (signal?.aborted && outcome.status === 'failed') return;
      journal.append({
        kind: 'request',
        row: { id, cell: cell.id, repetition, worker, ...servedRow(generation, dueNs, cost) },
        processCpuNs: processCpuNs(),
        endedNs: now(),
      });
      onFinished(request);
    }
  };
  const slots = Array.from({ length: settings.concurrency }, (_, worker) => runOne(worker));
  const failed = (await Promise.allSettled(slots)).find((slot) => slot.status === 'rejected');
  if (failed) throw failed.reason;
  journal.append({ kind: 'ended', atNs: now(), processCpuNs: processCpuNs() });
}

async function send(
  { endpoint, prompts }: Server,
  { id, model, request }: PlannedCell,
  draw: number,
  deadlineMs: number | null,
  signal: AbortSignal | undefined,
): Promise<Generation> {
  // Of what the request is, not of who serves it: two servers get the same prompts, and two cells never do.
  const own = deriveSeed(draw, ...Buffer.from(id.slice(model.length)));
  const prompt = await prompts.make(request.prompt, own);
  const { sampling } = request;
  const asked: GenerateRequest = {
    prompt,
    maxTokens: request.completionTokens,
    ignoreEos: request.stop === 'forced',
    temperature: sampling.kind === 'greedy' ? 0 : sampling.temperature,
    topK: sampling.kind === 'greedy' ? null : (sampling.topK ?? null),
    seed: sampling.kind === 'greedy' ? null : sampling.seed,
    cachePrompt: sharesPrefixes(request.prompt),
  };
  return endpoint.generate(asked, { deadlineMs, signal });
}

/** Prompts of a suite's lengths share nothing; texts of a user are cached as their server would. */
const sharesPrefixes = ({ kind }: PromptSpec): boolean => kind === 'text';

/** So many cells, evenly spaced, stand for all; each is sent so often, and so many pairs of them. */
const mostCells = 20;
const runsPerCell = 3;
const mostPairs = 10;
/** Between two of them, so that a counter that is read every few hundredths of a second tells them apart. */
const pauseMs = 250;

/** Sends the cells' requests with nothing beside them, and pairs of them at once, for what they use then. */
async function validateAlone({ prepared, journal, now, options, validation }: Served): Promise<void> {
  const { settings, servers, cells } = prepared;
  const { signal } = options;
  const stopped = () => signal?.aborted ?? false;
  tell(options.onProgress, 'validating', 'sending the same requests alone');
  journal.append({ kind: 'validation', state: 'begun' });
  let draw = apart.alone;
  const together = async (of: readonly PlannedCell[]) => {
    await delay(pauseMs);
    const startedNs = now();
    const generations = await Promise.all(
      of.map((cell) => send(servers.get(cell.model)!, cell, draw++, settings.deadlineMs, signal)),
    );
    const isWhole = generations.every(({ outcome }) => outcome.status === 'ok');
    return isWhole ? { startedNs, endsNs: [now()], cpuNs: [null] } : null;
  };
  const chosen = evenly(cells, mostCells);
  for (let round = 0; round < runsPerCell; round++) {
    for (const cell of chosen) {
      if (stopped()) return journal.append({ kind: 'validation', state: 'stopped' });
      if ((validation.runs.get(cell.id) ?? 0) > round) continue;
      const run = await together([cell]);
      if (run) journal.append({ kind: 'alone', cell: cell.id, runs: [run] });
    }
  }
  for (const pair of pairsOf(chosen)) {
    if (stopped()) return journal.append({ kind: 'validation', state: 'stopped' });
    const run = await together(pair);
    if (run) journal.append({ kind: 'pair', cells: pair.map(({ id }) => id), run });
  }
  await delay(pauseMs);
  journal.append({ kind: 'validation', state: stopped() ? 'stopped' : 'done' });
}

/** Pairs of different cells of one server. */
function pairsOf(cells: readonly PlannedCell[]): PlannedCell[][] {
  const pairs = cells.flatMap((one, index) => {
    const other = cells.find((cell, at) => at > index && cell.model === one.model);
    return other ? [[one, other]] : [];
  });
  return [...evenly(pairs, mostPairs)];
}

import type { Warning } from '../../core/codes.js';
import type { CostModel } from '../../core/cost.js';
import { TokenworkError } from '../../core/errors.js';
import type { Question } from '../../core/question.js';
import { type Loop, rateFactor } from '../../core/records/arrivals.js';
import type { RecordedWarning } from '../../core/result.js';
import type { Nanoseconds } from '../../core/units.js';
import type { ServedHeader, ServedSettings } from '../../journal/entry.js';
import { atRate, cellAtRate } from '../../workload/arrivals/at-rate.js';
import { chooseArrivals } from '../../workload/arrivals/parse.js';
import { namedPrompts } from '../../workload/named-prompts.js';
import type { PlannedCell, PlannedModel, TimelineEntry, WorkloadPlan } from '../../workload/plan.js';
import { promptTimelineOf, timelineOf } from '../../workload/timeline.js';
import { readTrace } from '../../workload/trace.js';
import { defaultWarmup, refuseUnsampled } from '../local/prepare.js';
import type { BenchOptions } from '../options.js';
import { tell } from '../progress.js';
import { namedChoice, type SensorChoice } from '../sampling/choice.js';
import { readWorkload } from '../workload.js';
import { agreed } from './agreement.js';
import {
  type ConnectedServer,
  connect,
  costOfShape,
  headerNames,
  type Server,
  withPrompts,
} from './connect.js';
import { type ServedSensors, servedSensors } from './sensors.js';

/** A run whose requests go to servers, before anything is sampled or sent. */
export interface PreparedServed {
  settings: ServedSettings;
  suite: string;
  /** By their ids, which are the models of cells. */
  servers: ReadonlyMap<string, Server>;
  /** Of the servers' model; null where no shape is named. */
  cost: CostModel | null;
  cells: PlannedCell[];
  /** Of a trace, its requests in their order. */
  timeline?: readonly TimelineEntry[] | undefined;
  questions: Question[];
  sensors: ServedSensors;
  warnings: RecordedWarning[];
}

/**
 * Connects to the servers and expands the workload over them. Throws what connecting, reading the workload and
 * describing the shape throw, and TokenworkError `nothing-to-run` and `public-endpoint`. Whoever calls it closes the servers.
 */
export async function prepareServed(options: BenchOptions, now: () => Nanoseconds): Promise<PreparedServed> {
  refuseUnsampled(options);
  const { endpoint = [], models = [], api = 'auto', apiKeyEnv = null, header = [], retries = 0 } = options;
  const { shape, dtype, metricsUrl = [], sensors = 'auto', signal, onProgress } = options;
  const workload = await readWorkload(options);
  const cost = await costOfShape(shape, dtype, signal);
  tell(onProgress, 'loading', `connecting to ${endpoint.join(', ')}`);
  const connected = await connect({
    ...{ urls: endpoint, models, api, apiKeyEnv, headers: header, ca: options.ca ?? null },
    ...{ connections: mostInFlight, retries, now },
  });
  try {
    const planned = plannedModels(connected);
    const plan = workload.expand(planned, ({ spec }) => spec);
    const { arrivals, rate, speed } = options;
    const validate = options.validateAttribution ?? false;
    // Sharing takes several.
    const usual = Math.max(plan.concurrency, validate ? 4 : 1);
    const loop = withUsual(
      chooseArrivals({
        arrivals,
        rate,
        speed,
        concurrency: options.concurrency ?? null,
        traceTimes: timesOf(plan),
        maxInFlight: options.maxInFlight,
        catchUp: options.catchUp,
      }),
      options.concurrency ?? usual,
    );
    const { cells: plain, warnings } = servable(plan);
    const cells =
      loop.kind === 'sweep' ? loop.rates.flatMap((at) => plain.map((cell) => atRate(cell, at))) : plain;
    const repetitions = options.repetitions ?? plan.repetitions;
    const warmup = options.warmup ?? defaultWarmup;
    await agreed(
      { settings: { repetitions, warmup, sampling: { validate } }, servers: connected, cells },
      options,
    );
    const servers = await withPrompts(connected);
    return {
      settings: {
        workload: workload.asked,
        traceDigest: workload.digest,
        endpoint: [...endpoint],
        models: servers.map(({ id, endpoint: { record } }) => ({ id, spec: record.model })),
        ...{ api, apiKeyEnv, headers: headerNames(header), shape: shape ?? null, dtype: dtype ?? null },
        ...{ metricsUrl: [...metricsUrl], retries },
        ...{ arrivals: arrivals ?? null, rate: rate ?? null, speed: speed ?? null },
        ...{ maxInFlight: options.maxInFlight ?? usualMaxInFlight, catchUp: options.catchUp ?? false, loop },
        concurrency: mostAtOnce(loop, options.maxInFlight ?? usualMaxInFlight),
        repetitions,
        seed: plan.seed,
        warmup,
        deadlineMs: options.deadlineMs ?? null,
        sampling: { sensors: namedChoice(sensors), energy: false, validate },
      },
      suite: plan.suite,
      servers: byId(servers),
      cost,
      cells,
      timeline: plan.timeline,
      questions: plan.questions,
      sensors: servedSensors(servers, sensors, options),
      warnings: [...plan.warnings, ...warnings, ...limits(servers, cells), ...elsewhere(servers)],
    };
  } catch (thrown) {
    await closeServers(connected);
    throw thrown;
  }
}

/** The same of a run that goes on: its workload is the journal's. Throws what connecting throws. */
export async function prepareResumed(
  header: ServedHeader,
  options: BenchOptions,
  now: () => Nanoseconds,
): Promise<PreparedServed> {
  const { settings, suite, cells, questions = [], warnings } = header;
  const { header: headers = [], signal } = options;
  refuseMissingHeaders(settings.headers, headerNames(headers));
  const { endpoint, models, api, retries, shape, dtype } = settings;
  const cost = await costOfShape(shape ?? undefined, dtype ?? undefined, signal);
  const connected = await connect({
    ...{ urls: endpoint, models: models.map(({ spec }) => spec), api, headers, retries, now },
    ...{ apiKeyEnv: options.apiKeyEnv ?? settings.apiKeyEnv, ca: options.ca ?? null },
    connections: mostInFlight,
  });
  try {
    const known = connected.map((server, index) => ({ ...server, id: models[index]!.id }));
    await agreed({ settings, servers: known, cells }, options);
    const servers = await withPrompts(known);
    const choice = options.sensors ?? (settings.sampling.sensors as SensorChoice);
    const asked = { ...options, metricsUrl: settings.metricsUrl };
    const sensors = servedSensors(servers, choice, asked);
    const timeline = await timelineAgain(header, plannedModels(servers));
    return { settings, suite, servers: byId(servers), cost, cells, timeline, questions, sensors, warnings };
  } catch (thrown) {
    await closeServers(connected);
    throw thrown;
  }
}

const byId = (servers: readonly Server[]) => new Map(servers.map((server) => [server.id, server]));

function plannedModels(servers: readonly ConnectedServer[]): PlannedModel[] {
  return servers.map(({ id, endpoint: { record } }) => ({
    spec: record.url,
    id,
    contextLength: record.contextLength ?? Number.POSITIVE_INFINITY,
  }));
}

/** The order of the requests of a trace, or of timed prompts, of which the journal has their cells only. Throws what reading a trace throws. */
async function timelineAgain(
  { settings, cells }: ServedHeader,
  models: readonly PlannedModel[],
): Promise<PreparedServed['timeline']> {
  const { workload, traceDigest, seed, loop } = settings;
  if ('suite' in workload) return undefined;
  // Of a sweep every rate has all requests, under cells of its own.
  const first = loop.kind === 'sweep' ? loop.rates[0]! : null;
  const planned = cells.flatMap(({ id, ...cell }) => {
    if (first === null) return [{ id, ...cell }];
    return cell.factors[rateFactor] === first
      ? [{ ...cell, id: id.slice(0, -cellAtRate('', first).length) }]
      : [];
  });
  const limit = workload.limit ?? undefined;
  const options = { models, cells: planned, seed };
  if ('prompts' in workload) {
    const answerTokens = workload.answerTokens ?? undefined;
    const { prompts } = await namedPrompts(workload.prompts, { limit, answerTokens });
    const isTimed = prompts.some(({ arrivalNs }) => arrivalNs !== undefined);
    return isTimed ? promptTimelineOf(prompts, options) : undefined;
  }
  const trace = await readTrace(workload.trace, { limit, digest: traceDigest ?? undefined });
  return timelineOf(trace, options);
}

export async function closeServers(servers: Iterable<ConnectedServer>): Promise<void> {
  await Promise.allSettled([...servers].map(({ endpoint }) => endpoint.close()));
}

/** Requests of an open loop that may be unanswered at once where the user does not say. */
const usualMaxInFlight = 1024;
/** Connections to a server at once, far above what a server computes at once. */
const mostInFlight = 4096;

/** Whether a trace tells the times of its requests; null of what is no trace. */
function timesOf({ timeline }: WorkloadPlan): boolean | null {
  return timeline?.every(({ arrivalNs }) => arrivalNs !== null) ?? null;
}

function withUsual(loop: Loop, concurrency: number): Loop {
  if (loop.kind === 'sweep' || loop.process.kind !== 'closed') return loop;
  return { kind: 'one', process: { kind: 'closed', concurrency } };
}

/** Requests that may be in flight at once: of an open loop as many as are allowed. */
function mostAtOnce(loop: Loop, maxInFlight: number): number {
  return loop.kind === 'one' && loop.process.kind === 'closed' ? loop.process.concurrency : maxInFlight;
}

function refuseMissingHeaders(before: readonly string[], now: readonly string[]): void {
  const missing = before.filter((name) => !now.includes(name));
  if (missing.length === 0) return;
  throw new TokenworkError(
    'resume-differs',
    `The run was begun with the header ${missing.join(', ')}, whose value is written nowhere.`,
    'Give it again with --header NAME=VALUE.',
  );
}

/** The cells that can be requests to a server: one sequence each, without stages that run other models. */
function servable({ suite, cells }: WorkloadPlan): { cells: PlannedCell[]; warnings: Warning[] } {
  const batches = cells.filter(({ request }) => request.batch > 1);
  const pipelines = cells.filter(({ request }) => request.batch === 1 && request.pipeline !== undefined);
  const left = cells.filter(({ request }) => request.batch === 1 && request.pipeline === undefined);
  if (left.length === 0) {
    throw new TokenworkError(
      'nothing-to-run',
      `No cell of ${suite} is a plain request to a server.`,
      'Batches and pipelines run in this process only; the suite plain has neither.',
    );
  }
  return {
    cells: left,
    warnings: [
      ...leftOut(batches, 'are batches, which a server makes up by itself'),
      ...leftOut(pipelines, 'go through pipelines, whose stages run in this process only'),
    ],
  };
}

function leftOut(cells: readonly PlannedCell[], why: string): Warning[] {
  if (cells.length === 0) return [];
  return [
    {
      code: 'not-servable',
      message: `${cells.length} cells are left out, as they ${why}: ${cells
        .slice(0, 5)
        .map(({ id }) => id)
        .join(', ')}${cells.length > 5 ? ' …' : ''}.`,
      hint: 'Run them with --model in place of --endpoint; requests in flight at once are --concurrency.',
    },
  ];
}

/** What a server cannot be told, so that its requests are not quite those that were planned. */
function limits(servers: readonly Server[], cells: readonly PlannedCell[]): Warning[] {
  return servers.flatMap(({ id, endpoint, prompts }) => {
    const own = cells.filter(({ model }) => model === id).map(({ request }) => request);
    const isSynthetic = own.some(({ prompt }) => prompt.kind === 'synthetic');
    const isForced = own.some(({ stop }) => stop === 'forced');
    return [
      ...(isSynthetic && !prompts.exact ? [approximate(id)] : []),
      ...(isForced && !endpoint.forcesLength ? [unforced(id)] : []),
    ];
  });
}

const approximate = (id: string): Warning => ({
  code: 'prompt-lengths-approximate',
  message: `The server of ${id} offers no tokenizer, so its prompts have about as many tokens as are asked for.`,
  hint: 'Rows hold the tokens that it counted; cells are named by what was asked for.',
});

const unforced = (id: string): Warning => ({
  code: 'answers-unforced',
  message: `The server of ${id} cannot be told to go on after end-of-text, so answers may be shorter than asked for.`,
  hint: 'Rows hold the tokens that it counted; cells are named by what was asked for.',
});

function elsewhere(servers: readonly Server[]): Warning[] {
  const remote = servers.filter(({ endpoint }) => !endpoint.record.onThisMachine);
  if (remote.length === 0) return [];
  return [
    {
      code: 'server-elsewhere',
      message: `${remote.map(({ id }) => id).join(', ')} ran on another machine: the hardware in this result is the client's.`,
      hint: 'Its counters can be read with --metrics-url; the network is part of every latency.',
    },
  ];
}

import { randomUUID } from 'node:crypto';
import type { Warning } from '../core/codes.js';
import { TokenworkError } from '../core/errors.js';
import type { RowwiseResult } from '../core/json/result-text.js';
import type { ModelRecord } from '../core/records/model.js';
import type { Cell, RequestRow, Result } from '../core/result.js';
import { schemaVersion } from '../core/result.js';
import { plainText } from '../core/text.js';
import { thisTool } from '../run/tool-version.js';
import { servedLedger } from '../stages/served-request.js';
import type { Format, ImportedRun, KeptRequest } from './imported.js';
import { importedMetrics } from './metrics.js';
import type { Shape } from './shape.js';
import { type Placement, placeRuns } from './timeline.js';

export interface ImportedResult extends RowwiseResult {
  tool: string;
  requests: number;
  failed: number;
}

interface Assembly {
  format: Format;
  files: readonly string[];
  /** Times that something was noted of requests. */
  notes: ReadonlyMap<string, number>;
  shape: Shape | null;
  command: string;
  /** When the first file was written, epoch milliseconds. */
  writtenMs: number;
}

export function assemble(kept: readonly KeptRequest[], of: Assembly): ImportedResult {
  const runs = [...new Set(kept.map(({ run }) => run))];
  const placement = placeRuns(kept, runs, of.writtenMs);
  const models = modelsOf(runs, of);
  const cells = new Map<string, Cell>();
  const varying = varyingSettings(runs);
  const cellIds = placement.order.map((request) => cellOf(request, varying, of.shape, cells));
  const failed = kept.filter(({ outcome }) => outcome.status === 'failed').length;
  return {
    tool: of.format.tool,
    requests: kept.length,
    failed,
    head: {
      schemaVersion,
      tool: { name: 'tokenwork', ...thisTool() },
      run: {
        id: randomUUID(),
        suite: `import:${of.format.id}`,
        seed: 0,
        startedAt: new Date(placement.startedMs).toISOString(),
        durationNs: placement.durationNs,
        command: of.command,
        complete: true,
        warmupRequests: 0,
        concurrency: placement.concurrency,
        repetitions: 1,
        plannedRequests: kept.length,
        design: 'sampled',
      },
      hardware: hardwareOf(runs, of.format),
      environment: {
        node: 'unknown',
        os: runs.find(({ os }) => os !== null)?.os ?? 'unknown',
        packages: {},
        sensors: [],
      },
      models,
      metrics: importedMetrics(of.format.tool, of.shape?.cost ?? null),
      cells: [...cells.values()],
      conservation: {},
      warnings: warningsOf(of, placement, runs),
    },
    rows: () => rowsOf(placement, cellIds, of.shape),
  };
}

function* rowsOf(
  { order, submittedNs }: Placement,
  cellIds: readonly string[],
  shape: Shape | null,
): Generator<RequestRow> {
  const repetitions = new Map<string, number>();
  for (const [id, { outcome, interTokenLatency }] of order.entries()) {
    const cell = cellIds[id]!;
    const repetition = repetitions.get(cell) ?? 0;
    repetitions.set(cell, repetition + 1);
    const base = { id, cell, repetition, worker: 0 };
    const submitted = submittedNs[id]!;
    if (outcome.status === 'failed') {
      yield {
        ...base,
        outcome: { status: 'failed', code: 'request-failed', message: plainText(outcome.message) },
        tokens: null,
        times: { submitted, started: submitted, firstToken: null, lastToken: null },
      };
      continue;
    }
    const since = outcome.times;
    const times = {
      submitted,
      started: submitted + since.started,
      firstToken: submitted + since.firstToken,
      lastToken: submitted + since.lastToken,
      ended: submitted + since.ended,
    };
    const answerToken = since.answerToken === null ? null : submitted + since.answerToken;
    // Of what no request has, the metric says why.
    const { absent, ...ledger } = servedLedger(shape?.cost ?? null, outcome.tokens, {
      ...times,
      answerToken,
    });
    const own = shape === null ? undefined : absent;
    yield {
      ...base,
      outcome: { status: 'ok' },
      ...ledger,
      times,
      interTokenLatency,
      ...(own && { absent: own }),
    };
  }
}

const modelId = (run: ImportedRun, shape: Shape | null) => plainText(run.model ?? shape?.id ?? 'unknown');

/** Requests of equal lengths share a cell; of one that failed the prompt is known at most. */
function cellOf(
  { run, outcome }: KeptRequest,
  varying: readonly string[],
  shape: Shape | null,
  cells: Map<string, Cell>,
): string {
  const model = modelId(run, shape);
  const isOk = outcome.status === 'ok';
  const prompt = isOk ? outcome.tokens.prompt : outcome.promptTokens;
  const setting = Object.fromEntries(
    varying.flatMap((name) => (name in run.setting ? [[name, run.setting[name]!]] : [])),
  );
  const id = [
    model,
    ...(prompt === null ? [] : [`p${prompt}`]),
    isOk ? `c${outcome.tokens.completion}` : 'failed',
    ...Object.entries(setting).map(([name, value]) => plainText(`${name}=${value}`)),
  ].join('/');
  if (!cells.has(id)) {
    const factors = {
      ...(prompt !== null && { promptTokens: prompt }),
      ...(isOk && { completionTokens: outcome.tokens.completion }),
      batch: 1,
      ...setting,
    };
    cells.set(id, { id, model, factors });
  }
  return id;
}

/** Settings in which the runs differ. */
function varyingSettings(runs: readonly ImportedRun[]): string[] {
  const names = new Set(runs.flatMap(({ setting }) => Object.keys(setting)));
  return [...names].filter((name) => new Set(runs.map(({ setting }) => setting[name])).size > 1);
}

function modelsOf(runs: readonly ImportedRun[], { shape, format }: Assembly): ModelRecord[] {
  const byId = new Map(runs.map((run) => [modelId(run, shape), run]));
  if (shape !== null && byId.size > 1) {
    throw new TokenworkError(
      'bad-option',
      `The files are of ${byId.size} models (${[...byId.keys()].join(', ')}), and --shape of one.`,
      'Import the files of each model by themselves.',
    );
  }
  return [...byId].map(([id, { engine, parameters }]) => ({
    id,
    source: 'server',
    ...{ sha256: null, graphVariant: null, contextLength: null, loadNs: null },
    parameters: parameters ?? shape?.cost.parameters ?? null,
    dtype: shape?.dtype ?? null,
    engine: {
      name: plainText(engine.name),
      backend: 'server',
      backendReason: `measured by ${format.tool}`,
      device: plainText(engine.device ?? 'an unknown device'),
      threads: engine.threads ?? 0,
      sharedSession: false,
      version: plainText(engine.version ?? 'of unknown version'),
    },
    cost: shape?.cost ?? null,
    warmup: { requests: 0, durationNs: 0 },
    roles: ['chat'],
  }));
}

/** The other tool's machine, never this one. */
function hardwareOf(runs: readonly ImportedRun[], { tool }: Format): Result['hardware'] {
  const machine = runs.find((run) => run.machine !== null)?.machine;
  const brand = plainText(machine?.cpu ?? `unknown machine (${tool} does not tell)`);
  const gpus = machine?.gpus.map((model) => ({ model: plainText(model) })) ?? [];
  return {
    id: machine
      ? [brand, ...gpus.map(({ model }) => model)]
          .join(' ')
          .toLowerCase()
          .replace(/[^a-z0-9]+/g, '-')
      : 'unknown',
    cpu: { brand, physicalCores: null, logicalCores: null },
    memoryBytes: null,
    gpus,
    ceilings: null,
  };
}

function warningsOf(
  { format, files, notes, shape }: Assembly,
  { hasTimeOfDay }: Placement,
  runs: readonly ImportedRun[],
): Warning[] {
  const warning = (message: string, hint: string): Warning => ({
    code: 'imported',
    message: plainText(message),
    hint,
  });
  const stored = runs.find(({ parameters }) => parameters !== null)?.parameters ?? null;
  const [first, ...others] = files;
  const named = others.length === 0 ? first : `${first} and ${others.length} more`;
  return [
    warning(
      `Measured by ${format.tool}, and imported from ${named}, which does not tell ${format.cannotTell}.`,
      'CPU time, energy and memory are not in it: measure with `tokenwork bench` for those.',
    ),
    ...(shape === null
      ? [
          warning(
            'Nothing says what shape the model has, so no work is derived.',
            'Import again with --shape: a recipe, a config.json, or a .gguf file.',
          ),
        ]
      : [
          warning(
            `Work is derived from the shape ${shape.id}${shape.dtype === null ? '' : ` with ${shape.dtype} weights`} and the tokens that were recorded, each request as if it ran alone.`,
            'Weights that a server reads once for a batch are charged to each of its requests in full.',
          ),
        ]),
    ...(shape !== null && stored !== null && differs(stored, shape.cost.parameters)
      ? [
          warning(
            `The shape has ${shape.cost.parameters} parameters, and the model that was measured ${stored}.`,
            'Is it the shape of that model?',
          ),
        ]
      : []),
    ...[...notes].map(([message, count]) =>
      warning(
        `${count} request${count === 1 ? '' : 's'} ${message}.`,
        `It is how ${format.tool} recorded them.`,
      ),
    ),
    ...(hasTimeOfDay
      ? []
      : [
          warning(
            'The file has no time of day; the run is dated by when the file was written.',
            'Times within the run are not concerned.',
          ),
        ]),
  ];
}

/** Tools differ in whether an output head that is the embedding table counts once or twice. */
function differs(stored: number, counted: number): boolean {
  return Math.max(stored, counted) > 1.5 * Math.min(stored, counted);
}

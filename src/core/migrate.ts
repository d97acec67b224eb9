import { z } from 'zod';
import { refuseImpossible, refuseInconsistent } from './consistency.js';
import { TokenworkError } from './errors.js';
import { describeIssue, firstIssue, type SchemaIssue } from './json/schema-issue.js';
import { type RequestRow, type Result, requestSchema, resultSchema, schemaVersion } from './result.js';
import { plainStrings } from './text.js';

type Json = Record<string, unknown>;

/**
 * `migrations[v]` turns a document of schema version v into one of version v + 1, leaving its argument as
 * it was. The bump rule is in result.ts.
 */
export const migrations: Record<number, (document: Json) => Json> = {
  1: fromVersion1,
  2: fromVersion2,
  // Version 4 says null of a model on a server where version 3 had a figure of every model.
  3: (document) => document,
};

/**
 * Version 2 dropped `direction` from metrics, of which all are better lower, and calls `style` of a model and of
 * what was compared on a device `graphVariant`.
 */
function fromVersion1(document: Json): Json {
  const withoutDirection = ({ direction, ...metric }: Json): Json => metric;
  const named = ({ style, ...rest }: Json): Json => ({ graphVariant: style, ...rest });
  const model = (record: Json): Json => ({
    ...named(record),
    ...(Array.isArray(record.deviceParity) && { deviceParity: mapObjects(record.deviceParity, named) }),
  });
  const { metrics, models } = document;
  return {
    ...document,
    ...(isObject(metrics) && {
      metrics: Object.fromEntries(
        Object.entries(metrics).map(([name, metric]) => [
          name,
          isObject(metric) ? withoutDirection(metric) : metric,
        ]),
      ),
    }),
    ...(Array.isArray(models) && { models: mapObjects(models, model) }),
  };
}

/**
 * Version 3 counts `memoryTraffic` (weights and KV) and `activationBytes` apart. Version 2 kept one sum of both as
 * `bytesMoved`, which says neither: it is dropped, and both are absent. Version 3 calls `kvByteSeconds`, into which times
 * enter, measured.
 */
function fromVersion2(document: Json): Json {
  const withoutSum = (carrier: Json): Json => {
    if (!isObject(carrier.work) || !('bytesMoved' in carrier.work)) return carrier;
    const { bytesMoved, ...work } = carrier.work;
    if (!isObject(carrier.absent)) return { ...carrier, work };
    const { bytesMoved: _reason, ...absent } = carrier.absent;
    return { ...carrier, work, absent };
  };
  const row = (request: Json): Json => ({
    ...withoutSum(request),
    ...(Array.isArray(request.stages) && { stages: mapObjects(request.stages, withoutSum) }),
  });
  const { metrics, requests } = document;
  const { bytesMoved, ...kept } = isObject(metrics) ? metrics : {};
  const { kvByteSeconds: held } = kept;
  const measured = isObject(held) && held.provenance === 'derived' && { ...held, provenance: 'measured' };
  const notSplit = isObject(bytesMoved) && {
    unit: 'B',
    provenance: 'unavailable',
    method: 'none',
    reason: 'not-counted',
    hint: 'Results before schema version 3 count weights, KV cache and activations in one sum; measure again.',
  };
  return {
    ...document,
    ...(isObject(metrics) && {
      metrics: {
        ...kept,
        ...(measured && { kvByteSeconds: measured }),
        ...(notSplit && { memoryTraffic: notSplit, activationBytes: notSplit }),
      },
    }),
    ...(Array.isArray(requests) && { requests: mapObjects(requests, row) }),
  };
}

/** Anything but an object is left for the schema to refuse. */
function mapObjects(items: readonly unknown[], of: (item: Json) => Json): unknown[] {
  return items.map((item) => (isObject(item) ? of(item) : item));
}

/**
 * A result of any schema version up to the current one, checked and brought up to date.
 * Throws TokenworkError `not-a-result`, `result-too-new`, `bad-result` or `inconsistent-result`.
 */
export function readResult(json: unknown): Result {
  const parsed = resultSchema.safeParse(upgrade(plainStrings(json), migrations, schemaVersion));
  if (parsed.success) {
    refuseInconsistent(parsed.data);
    return parsed.data;
  }
  throw badResult(firstIssue(parsed.error), parsed.error);
}

/**
 * Some of the rows of a result that comes in parts, checked as `readResult` checks them, but for their cells.
 * `version` is the schema version of their document, `first` the place of the first of them in it.
 */
export function readRows(rows: unknown[], version: number, first: number): RequestRow[] {
  const { requests } = upgrade(
    { schemaVersion: version, requests: plainStrings(rows) },
    migrations,
    schemaVersion,
  );
  const parsed = z.array(requestSchema).safeParse(requests);
  if (!parsed.success) {
    const issue = firstIssue(parsed.error);
    const [index, ...within] = issue.path;
    throw badResult({ ...issue, path: ['requests', first + Number(index), ...within] }, parsed.error);
  }
  for (const row of parsed.data) refuseImpossible(row);
  return parsed.data;
}

function badResult(issue: SchemaIssue, cause: unknown): TokenworkError {
  return new TokenworkError(
    'bad-result',
    `The result does not follow schema version ${schemaVersion}: ${describeIssue(issue)}.`,
    'Was the file edited or cut short? Measure again, or take it from a backup.',
    { cause },
  );
}

/** Applies `steps` one by one until the document has the `current` version. */
export function upgrade(json: unknown, steps: typeof migrations, current: number): Json {
  const version = isObject(json) ? json.schemaVersion : undefined;
  const oldest = Math.min(1, ...Object.keys(steps).map(Number));
  if (!isObject(json) || typeof version !== 'number' || !Number.isInteger(version) || version < oldest) {
    throw new TokenworkError(
      'not-a-result',
      'This is no tokenwork result: it carries no schemaVersion.',
      'Pass a file that `tokenwork bench` wrote.',
    );
  }
  if (version > current) {
    throw new TokenworkError(
      'result-too-new',
      `The result has schema version ${version}, and this tokenwork reads versions up to ${current}.`,
      'Update tokenwork, then open the file again.',
    );
  }
  let document = json;
  for (let from = version; from < current; from++) {
    const migrate = steps[from];
    if (migrate === undefined) throw new RangeError(`no migration from schema version ${from}`);
    document = { ...migrate(document), schemaVersion: from + 1 };
  }
  return document;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

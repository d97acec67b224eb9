import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { z } from 'zod';
import { messageOf, TokenworkError } from '../core/errors.js';
import { describeIssue, firstIssue } from '../core/json/schema-issue.js';
import { log } from '../core/log.js';
import type { Nanoseconds } from '../core/units.js';
import { absenceReason } from '../core/work.js';

/**
 * A recorded session is a file of JSON lines. The first is the header: where and when it was recorded, and
 * every sensor with its channels, how often each is read and really ticks, and what was missing. Each
 * further line is a sample `[timeNs, channel, value]`: ns from any origin, the same for all; the `id` of a
 * channel; its value in the channel's unit, or `null` where a gap begins. Of one channel the samples are in
 * order of time. A last line that a kill has torn is left out.
 */
const sessionVersion = 1;

const absence = { reason: absenceReason, hint: z.string() };

/** A channel as data; a sampler's own fields may be added. */
const channelSchema = z.strictObject({
  quantity: z.string().min(1),
  device: z.string().min(1),
  unit: z.enum(['ns', 'B', 'J', 'W', 'Hz', '°C', 'ratio', 'count', 'bits']),
  kind: z.enum(['counter', 'gauge']),
  averagedOverNs: z.number().positive().optional(),
});

/** A sensor and its channels, as they were found when sampling began. */
export const sensorRecordSchema = z.strictObject({
  name: z.string().min(1),
  reads: z.string(),
  available: z.boolean(),
  reason: absenceReason.nullable(),
  hint: z.string().nullable(),
  channels: z.array(
    channelSchema.extend({
      id: z.int(),
      counterPeriodNs: z.number().nullable(),
      periodResolved: z.boolean(),
    }),
  ),
  missing: z.array(
    z.strictObject({ device: z.string(), quantity: z.string(), ...absence, mig: z.literal(true).optional() }),
  ),
  periodNs: z.number().nullable(),
});
type RecordedSensor = z.infer<typeof sensorRecordSchema>;

/** Figures are drawn from these by name, and would be wrong by orders of magnitude in another unit. */
const unitsByQuantity = new Map([
  ['energy', 'J'],
  ['power', 'W'],
  ['utilisation', 'ratio'],
]);

const playableSensorSchema = sensorRecordSchema.check(({ value, issues }) => {
  const refuse = (path: (string | number)[], message: string) =>
    issues.push({ code: 'custom', input: value, path, message });
  if (value.available) {
    if (!(value.periodNs !== null && value.periodNs > 0))
      refuse(['periodNs'], 'expected a period, as the sensor is available');
  } else if (value.reason === null || value.hint === null) {
    refuse(['reason'], 'expected a reason and a hint, as the sensor is not available');
  }
  for (const [index, { quantity, unit, counterPeriodNs }] of value.channels.entries()) {
    const wanted = unitsByQuantity.get(quantity) ?? unit;
    if (unit !== wanted) refuse(['channels', index, 'unit'], `${quantity} is in ${wanted}, not in ${unit}`);
    if (counterPeriodNs !== null && !(counterPeriodNs > 0))
      refuse(['channels', index, 'counterPeriodNs'], 'expected a period above 0, or null');
  }
});

const headerSchema = z
  .strictObject({
    tokenworkSession: z.literal(sessionVersion),
    recordedAt: z.iso.datetime(),
    /** Processor, GPUs with their drivers and system, for people. */
    machine: z.string(),
    /** Whether what ran beside it worked on a GPU: only then are GPUs a part of what it cost. */
    usesGpu: z.boolean(),
    sensors: z.array(playableSensorSchema),
  })
  .check(({ value, issues }) => {
    const ids = value.sensors.flatMap(({ channels }) => channels.map(({ id }) => id));
    const names = value.sensors.map(({ name }) => name);
    const message =
      ids.length === 0
        ? 'no sensor has a channel'
        : new Set(ids).size < ids.length
          ? 'two channels have the same id'
          : new Set(names).size < names.length
            ? 'two sensors have the same name'
            : null;
    if (message !== null) issues.push({ code: 'custom', input: value, path: ['sensors'], message });
  });
export type SessionHeader = z.infer<typeof headerSchema>;

export interface RecordedSample {
  timeNs: Nanoseconds;
  /** The `id` of a channel. */
  channel: number;
  /** NaN for a gap. */
  value: number;
}

export function formatHeader(header: Omit<SessionHeader, 'tokenworkSession'>): string {
  return `${JSON.stringify({ tokenworkSession: sessionVersion, ...header })}\n`;
}

export function formatSamples(samples: readonly RecordedSample[]): string {
  let text = '';
  for (const { timeNs, channel, value } of samples) {
    text += `[${Math.round(timeNs)},${channel},${Number.isFinite(value) ? value : 'null'}]\n`;
  }
  return text;
}

export interface OpenSession {
  header: SessionHeader;
  /** In the order of the file, read as they are asked for. Throws `bad-session` at a line that is none. */
  samples: Generator<RecordedSample, void>;
  close(): void;
}

/**
 * Opens a session and reads its header. Throws TokenworkError `no-session` where the file cannot be read,
 * `bad-session` naming the line that is not understood.
 */
export function openSession(path: string, onBytes?: (bytes: Uint8Array) => void): OpenSession {
  const file = openFile(path);
  try {
    const lines = linesOf(file, onBytes);
    const first = readLine(lines, path, 1);
    if (first === null) throw bad(path, 'it is empty');
    const header = parseHeader(first.text, path);
    return { header, samples: samplesOf(lines, header.sensors, path), close: () => closeSync(file) };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

/** Description of a session, known once every line of it was understood. */
export interface SessionSummary {
  header: SessionHeader;
  sha256: string;
}

/** Reads a session from end to end. Throws what `openSession` throws, and where it holds no sample. */
export function checkSession(path: string): SessionSummary {
  const hash = createHash('sha256');
  const { header, samples, close } = openSession(path, (bytes) => hash.update(bytes));
  try {
    let count = 0;
    for (const _ of samples) count++;
    if (count === 0) throw bad(path, 'it holds no sample');
    return { header, sha256: hash.digest('hex') };
  } finally {
    close();
  }
}

function openFile(path: string): number {
  try {
    // A pipe would wait for ever, and cannot be read twice.
    if (!statSync(path).isFile()) throw new Error('it is no file');
    return openSync(path, 'r');
  } catch (cause) {
    throw new TokenworkError(
      'no-session',
      `The recorded session ${path} cannot be read: ${messageOf(cause)}.`,
      'Name a file that `tokenwork bench --record-sensors FILE` wrote, or leave --sensors out.',
      { cause },
    );
  }
}

function parseHeader(text: string, path: string): SessionHeader {
  const json = parseJson(text);
  const version = (json as { tokenworkSession?: unknown } | null | undefined)?.tokenworkSession;
  if (typeof version !== 'number') throw bad(path, 'line 1 is no header of a session');
  if (version !== sessionVersion) {
    throw new TokenworkError(
      'bad-session',
      `${path} is a recorded session of format ${version}, and this tokenwork plays format ${sessionVersion}.`,
      version > sessionVersion ? 'Play it with a newer tokenwork.' : 'Record it anew.',
    );
  }
  const parsed = headerSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw bad(path, `line 1: ${describeIssue(firstIssue(parsed.error))}`, parsed.error);
}

function* samplesOf(
  lines: ReturnType<typeof linesOf>,
  sensors: readonly RecordedSensor[],
  path: string,
): Generator<RecordedSample, void> {
  const lastNs = new Map(
    sensors.flatMap(({ channels }) => channels.map(({ id }) => [id, Number.NEGATIVE_INFINITY])),
  );
  for (let line = 2; ; line++) {
    const next = readLine(lines, path, line);
    if (next === null) return;
    const { text, whole } = next;
    if (text.trim() === '') continue;
    const sample = parseJson(text);
    if (sample === undefined && !whole) return; // A kill tore it.
    const problem = problemOf(sample, lastNs);
    if (problem !== null) throw bad(path, `line ${line}: ${problem}`);
    const [timeNs, channel, value] = sample as [number, number, number | null];
    lastNs.set(channel, timeNs);
    yield { timeNs, channel, value: value ?? Number.NaN };
  }
}

function problemOf(sample: unknown, lastNs: ReadonlyMap<number, Nanoseconds>): string | null {
  if (!Array.isArray(sample) || sample.length !== 3) return 'it is not [timeNs, channel, value]';
  const [timeNs, channel, value] = sample;
  if (!Number.isFinite(timeNs)) return 'its time is not a number of ns';
  const beforeNs = lastNs.get(channel);
  if (beforeNs === undefined) return `the header has no channel ${JSON.stringify(channel)}`;
  if (timeNs < beforeNs) return 'time runs backwards';
  if (value !== null && !Number.isFinite(value)) return 'its value is neither a finite number nor null';
  return null;
}

function readLine(lines: ReturnType<typeof linesOf>, path: string, line: number) {
  try {
    const { value, done } = lines.next();
    return done ? null : value;
  } catch (error) {
    throw bad(path, `line ${line}: ${messageOf(error)}`, error);
  }
}

/** Undefined where it is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    log('a line of a recorded session is no JSON: %s', error);
    return undefined;
  }
}

function bad(path: string, why: string, cause?: unknown): TokenworkError {
  return new TokenworkError(
    'bad-session',
    `${path} is no recorded session that can be played: ${why}.`,
    'Name a file as `tokenwork bench --record-sensors FILE` wrote it.',
    { cause },
  );
}

const chunkBytes = 2 ** 16;
/** A header of hundreds of channels is far below it; a file without line breaks is no session. */
const longestLineBytes = 2 ** 20;

/**
 * The lines of an open file one after the other, in bounded memory however large it is. `whole` is false
 * of a last line that no line break ends. `onBytes` sees all that is read.
 */
function* linesOf(
  file: number,
  onBytes: (bytes: Uint8Array) => void = () => {},
): Generator<{ text: string; whole: boolean }, void> {
  const chunk = Buffer.alloc(chunkBytes);
  let rest = Buffer.alloc(0);
  for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) {
    onBytes(chunk.subarray(0, read));
    const data = Buffer.concat([rest, chunk.subarray(0, read)]);
    let from = 0;
    for (let at = data.indexOf(10); at >= 0; at = data.indexOf(10, from)) {
      yield { text: data.toString('utf8', from, at), whole: true };
      from = at + 1;
    }
    rest = data.subarray(from);
    if (rest.length > longestLineBytes) throw new Error('it is too long');
  }
  if (rest.length > 0) yield { text: rest.toString('utf8'), whole: false };
}

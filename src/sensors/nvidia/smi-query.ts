import { runBounded } from '../bounded-child.js';
import { gpuWatts, nvidiaUtilisationOverNs } from '../gpu-power.js';
import type { Channel } from '../sensor.js';
import {
  firstLine,
  NvidiaSmiError,
  parseSmiHeader,
  parseSmiRow,
  rejectedField,
  type SmiColumn,
  type SmiValue,
} from './nvidia-smi-parser.js';

export interface Field {
  /** Name that is asked for; the header may name it more fully (`clocks.sm` comes as `clocks.current.sm`). */
  query: string;
  channel: Omit<Channel, 'device'>;
  /** The unit that the value must be in, and what one of it is in the channel's. */
  unit: string | null;
  scale: number;
  most: number;
  /** The query to fall back on where this one is not known. */
  insteadOf?: string;
}

const gauge = (quantity: string, unit: Channel['unit']) => ({ quantity, unit, kind: 'gauge' as const });
const mebibyte = 2 ** 20;
const fields: Field[] = [
  { query: 'power.draw.instant', channel: gauge('power', 'W'), unit: 'W', scale: 1, most: gpuWatts.most },
  {
    query: 'power.draw',
    channel: { ...gauge('power', 'W'), averagedOverNs: gpuWatts.averagedOverNs },
    unit: 'W',
    scale: 1,
    most: gpuWatts.most,
    insteadOf: 'power.draw.instant',
  },
  {
    query: 'utilization.gpu',
    channel: { ...gauge('utilisation', 'ratio'), averagedOverNs: nvidiaUtilisationOverNs },
    unit: '%',
    scale: 0.01,
    most: 1,
  },
  { query: 'memory.used', channel: gauge('memoryUsed', 'B'), unit: 'MiB', scale: mebibyte, most: 2 ** 50 },
  { query: 'clocks.sm', channel: gauge('smClock', 'Hz'), unit: 'MHz', scale: 1e6, most: 1e10 },
  { query: 'clocks.mem', channel: gauge('memoryClock', 'Hz'), unit: 'MHz', scale: 1e6, most: 1e11 },
  { query: 'temperature.gpu', channel: gauge('temperature', '°C'), unit: null, scale: 1, most: 150 },
  {
    // Its name up to driver 535; later drivers know both.
    query: 'clocks_throttle_reasons.active',
    channel: gauge('throttleReasons', 'bits'),
    unit: null,
    scale: 1,
    most: Number.MAX_SAFE_INTEGER,
  },
  {
    query: 'clocks_event_reasons.active',
    channel: gauge('throttleReasons', 'bits'),
    unit: null,
    scale: 1,
    most: Number.MAX_SAFE_INTEGER,
    insteadOf: 'clocks_throttle_reasons.active',
  },
];

/** Not known to versions from before there was MIG. */
const migField = 'mig.mode.current';

/** Fields that this nvidia-smi is asked for. */
export interface Query {
  fields: Field[];
  asksMig: boolean;
}

export interface Row {
  index: number;
  name: string;
  mig: boolean;
  values: SmiValue[];
}

/** Time limit of an answer: as a rule it takes tenths of a second; the first after boot initialises the driver. */
export const answerWithinMs = 10_000;

/** A first answer: rows of the GPUs, and beside them what is none. */
export interface FirstAnswer {
  asked: Query;
  rows: Row[];
  /** Rows that could not be read, by the index of their GPU. */
  damaged: Map<number, string>;
}

/**
 * Finds the fields this nvidia-smi knows, newer and older names alike, and what it first says of each.
 * Throws `NvidiaSmiError` where it names no GPU, or has not answered in time, over all it is asked.
 */
export async function firstAnswer(command: readonly string[], withinMs: number): Promise<FirstAnswer> {
  const untilMs = Date.now() + withinMs;
  const rejected = new Set<string>();
  for (;;) {
    const asked: Query = {
      fields: fields.filter(
        ({ query, insteadOf }) =>
          !rejected.has(query) && (insteadOf === undefined || rejected.has(insteadOf)),
      ),
      asksMig: !rejected.has(migField),
    };
    const { code, output } = await askSmi(command, [queryOf(asked), '--format=csv'], untilMs - Date.now());
    const unknown = rejectedField(output);
    if (unknown !== null && namesOf(asked).includes(unknown)) {
      rejected.add(unknown);
      continue;
    }
    const reader = new RowReader(asked);
    const answer: FirstAnswer = { asked, rows: [], damaged: new Map() };
    for (const line of output.split(/\r?\n/)) {
      const read = reader.read(line);
      if (read?.kind === 'row' && !answer.rows.some(({ index }) => index === read.row.index))
        answer.rows.push(read.row);
      if (read?.kind === 'damaged') answer.damaged.set(read.index, line.trim());
    }
    for (const { index } of answer.rows) answer.damaged.delete(index);
    // Its exit code says that something was wrong (14: a corrupt infoROM), not that the rows are.
    if (answer.rows.length > 0 || (code === 0 && reader.seenHeader)) return answer;
    throw new NvidiaSmiError(firstLine(output) ?? `it ended with ${code}`);
  }
}

/** Asks once. Throws `NvidiaSmiError` where no answer comes in time, the system's error where there is none to ask. */
export async function askSmi(
  command: readonly string[],
  options: readonly string[],
  withinMs: number,
): Promise<{ code: number | string; output: string }> {
  const ended = await runBounded([...command, ...options], { withinMs: Math.max(1, withinMs) });
  if (ended.timedOut)
    throw new NvidiaSmiError(
      `no answer within ${(withinMs / 1000).toFixed(1)} s: its driver may hang; see dmesg`,
    );
  return { code: ended.code ?? ended.signal ?? 'no code', output: ended.stdout || ended.stderr };
}

const namesOf = ({ fields: asked, asksMig }: Query): string[] => [
  'index',
  'name',
  ...(asksMig ? [migField] : []),
  ...asked.map(({ query }) => query),
];

/** The option that asks for all of it. */
export const queryOf = (asked: Query): string => `--query-gpu=${namesOf(asked).join(',')}`;

type ReadLine =
  | { kind: 'row'; row: Row }
  /** A row of that GPU which does not have the form it should have. */
  | { kind: 'damaged'; index: number }
  /** Anything else that nvidia-smi says: a warning, an error. */
  | { kind: 'message'; text: string };

/**
 * Reads the lines of `--format=csv` one by one. The header may stand anywhere before the rows that it names the
 * units of; rows without one carry their own.
 */
export class RowReader {
  readonly #asked: Query;
  #columns: SmiColumn[];
  seenHeader = false;

  constructor(asked: Query) {
    this.#asked = asked;
    this.#columns = namesOf(asked).map((name) => ({ name, unit: null }));
  }

  /** Reads a line; null for one that is empty or the header. */
  read(line: string): ReadLine | null {
    if (line.trim() === '') return null;
    const header = parseSmiHeader(line);
    if (header?.length === this.#columns.length && header[0]!.name === 'index') {
      this.#columns = header;
      this.seenHeader = true;
      return null;
    }
    const index = /^\s*(\d{1,4})\s*,/.exec(line)?.[1];
    if (index === undefined) return { kind: 'message', text: line.trim() };
    const cells = parseSmiRow(this.#columns, line);
    if (cells === null) return { kind: 'damaged', index: Number(index) };
    const [, name, ...rest] = cells;
    const mode = this.#asked.asksMig ? rest.shift() : undefined;
    const mig = mode?.kind === 'text' && mode.text === 'Enabled';
    return {
      kind: 'row',
      row: { index: Number(index), name: name?.kind === 'text' ? name.text : 'GPU', mig, values: rest },
    };
  }
}

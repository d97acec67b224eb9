import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import type { Clock } from '../../core/clock.js';
import { messageOf } from '../../core/errors.js';
import { log } from '../../core/log.js';
import type { Nanoseconds } from '../../core/units.js';
import type { Absence } from '../absence.js';
import { gpuWatts, nvidiaUtilisationOverNs } from '../gpu-power.js';
import {
  type Channel,
  type MissingChannel,
  milliseconds,
  type OpenSensor,
  type SampleSink,
  type Sensor,
} from '../sensor.js';
import { missingByMig } from './mig.js';
import {
  lineSplitter,
  NvidiaSmiError,
  parseSmiHeader,
  parseSmiInventory,
  parseSmiRow,
  rejectedField,
  type SmiColumn,
  type SmiInventory,
  type SmiValue,
} from './nvidia-smi-parser.js';

interface Field {
  /** As asked for; the header may name it more fully (`clocks.sm` comes as `clocks.current.sm`). */
  query: string;
  channel: Omit<Channel, 'device'>;
  /** The unit that the value must be in, and what one of it is in the channel's. */
  unit: string | null;
  scale: number;
  most: number;
  /** Asked for only where this one is not known. */
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

/** What this nvidia-smi is asked for. */
interface Query {
  fields: Field[];
  asksMig: boolean;
}

interface Row {
  index: number;
  name: string;
  mig: boolean;
  values: SmiValue[];
}

const answerWithinMs = 20_000; // The first call after boot initialises the driver, for seconds.
const period = milliseconds(100);

/**
 * NVIDIA GPUs through one long-lived nvidia-smi: the way out where NVML cannot be loaded. It has no energy
 * counter and its lines arrive late by as much as it takes to make them. Its own CPU time is not in the
 * sampler's.
 */
export function nvidiaSmiSensor(command: readonly string[] = ['nvidia-smi']): Sensor {
  return {
    name: 'nvidia-smi',
    reads: `power, utilisation, memory, clocks and temperature of NVIDIA GPUs (${command.join(' ')})`,
    async open(clock) {
      try {
        const { asked, rows } = await firstAnswer(command);
        if (rows.length === 0) return { reason: 'unsupported', hint: 'nvidia-smi lists no GPU.' };
        const missing: MissingChannel[] = [];
        const wanted = rows.map(({ index, name, mig, values }) =>
          asked.fields.filter((field, position) => {
            const together = missingByMig({ index, name, mig }, field.channel.quantity);
            if (together) {
              missing.push(together);
              return false;
            }
            const absence = absenceOf(values[position]!, field);
            if (absence === null) return true;
            const hint = `${name}: ${absence.hint}`;
            missing.push({ device: `gpu-${index}`, quantity: field.channel.quantity, ...absence, hint });
            return false;
          }),
        );
        if (wanted.every((kept) => kept.length === 0)) {
          return { reason: missing[0]!.reason, hint: missing[0]!.hint };
        }
        return follow(command, asked, rows, wanted, missing, clock);
      } catch (error) {
        return unavailable(error, command[0]!);
      }
    },
  };
}

/** The GPUs as `nvidia-smi -q -x` describes them. Throws where there is no usable nvidia-smi. */
export async function readSmiInventory(command: readonly string[] = ['nvidia-smi']): Promise<SmiInventory> {
  const { code, output } = await ask(command, ['-q', '-x']);
  if (code !== 0) throw new NvidiaSmiError(output.trim() || `it ended with ${code}`);
  return parseSmiInventory(output);
}

/** Finds the fields this nvidia-smi knows, newer and older names alike, and what it first says of each. */
async function firstAnswer(command: readonly string[]): Promise<{ asked: Query; rows: Row[] }> {
  const rejected = new Set<string>();
  for (;;) {
    const asked: Query = {
      fields: fields.filter(
        ({ query, insteadOf }) =>
          !rejected.has(query) && (insteadOf === undefined || rejected.has(insteadOf)),
      ),
      asksMig: !rejected.has(migField),
    };
    const { code, output } = await ask(command, [queryOf(asked), '--format=csv']);
    const unknown = rejectedField(output);
    if (unknown !== null && namesOf(asked).includes(unknown)) {
      rejected.add(unknown);
      continue;
    }
    const [header = '', ...lines] = output.split(/\r?\n/).filter((line) => line.trim() !== '');
    const columns = parseSmiHeader(header);
    if (code !== 0 || columns === null) throw new NvidiaSmiError(output.trim() || `it ended with ${code}`);
    return { asked, rows: lines.map((line) => rowOf(columns, asked, line)) };
  }
}

const namesOf = ({ fields: asked, asksMig }: Query): string[] => [
  'index',
  'name',
  ...(asksMig ? [migField] : []),
  ...asked.map(({ query }) => query),
];

const queryOf = (asked: Query) => `--query-gpu=${namesOf(asked).join(',')}`;

function rowOf(columns: SmiColumn[], asked: Query, line: string): Row {
  const expected = namesOf(asked).length;
  if (columns.length !== expected) {
    throw new NvidiaSmiError(`${columns.length} columns in place of ${expected}`);
  }
  const [index, name, ...rest] = parseSmiRow(columns, line).values();
  const values = asked.asksMig ? rest.slice(1) : rest;
  const mode = asked.asksMig ? rest[0] : undefined;
  if (index?.kind !== 'number' || !Number.isInteger(index.value)) {
    throw new NvidiaSmiError(`no GPU index in: ${line.trim()}`);
  }
  const mig = mode?.kind === 'text' && mode.text === 'Enabled';
  return { index: index.value, name: name?.kind === 'text' ? name.text : 'GPU', mig, values };
}

function follow(
  command: readonly string[],
  asked: Query,
  gpus: Row[],
  wanted: Field[][],
  missing: MissingChannel[],
  clock: Clock,
): OpenSensor {
  const channels = gpus.flatMap(({ index }, gpu) =>
    wanted[gpu]!.map(({ channel }) => ({ ...channel, device: `gpu-${index}` })),
  );
  const firstChannel = new Map<number, number>();
  let count = 0;
  for (const [gpu, { index }] of gpus.entries()) {
    firstChannel.set(index, count);
    count += wanted[gpu]!.length;
  }
  const arrived: { channel: number; value: number; atNs: Nanoseconds }[] = [];
  let columns: SmiColumn[] | null = null;
  let said = '';
  let ended: string | null = null;

  const accept = (line: string) => {
    if (line.trim() === '') return;
    const atNs = clock.now();
    if (columns === null) {
      columns = parseSmiHeader(line);
      if (columns === null) said = line;
      return;
    }
    let row: Row;
    try {
      row = rowOf(columns, asked, line);
    } catch (error) {
      // A message between the rows, or garbage: the rows it stands for are a gap of every channel.
      said = messageOf(error);
      for (const channel of channels.keys()) arrived.push({ channel, value: Number.NaN, atNs });
      return;
    }
    const gpu = gpus.findIndex(({ index }) => index === row.index);
    if (gpu < 0) return;
    let channel = firstChannel.get(row.index)!;
    for (const [position, field] of asked.fields.entries()) {
      if (!wanted[gpu]!.includes(field)) continue;
      arrived.push({ channel: channel++, value: numberIn(row.values[position]!, field), atNs });
    }
  };

  const child: ChildProcessByStdio<null, Readable, Readable> = spawn(
    command[0]!,
    [...command.slice(1), queryOf(asked), '--format=csv', `--loop-ms=${period / 1e6}`],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  child.stdout.setEncoding('utf8').on('data', lineSplitter(accept));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = text.trim() || said;
  });
  child.once('error', (error) => {
    ended = messageOf(error);
  });
  child.once('close', (code, signal) => {
    ended ??= `nvidia-smi ended by itself (${signal ?? code})${said && `: ${said}`}`;
  });
  return {
    channels,
    missing,
    periodNs: period,
    arrives: true,
    read(sink: SampleSink) {
      for (const { channel, value, atNs } of arrived.splice(0)) sink.put(channel, value, atNs);
      if (ended !== null) throw new Error(ended);
    },
    close: () => void child.kill(),
  };
}

function numberIn(value: SmiValue, { unit, scale, most }: Field): number {
  if (value.kind !== 'number' || value.unit !== unit) return Number.NaN;
  const scaled = value.value * scale;
  return scaled >= 0 && scaled <= most ? scaled : Number.NaN;
}

function absenceOf(value: SmiValue, field: Field): Absence | null {
  if (value.kind === 'number') {
    if (value.unit === field.unit) return null;
    return { reason: 'unsupported', hint: `${field.query} is in ${value.unit}, not in ${field.unit}.` };
  }
  if (value.kind === 'absent' && value.why === 'permission') {
    return {
      reason: 'permission',
      hint: `nvidia-smi says ${value.text} for ${field.query}; try: sudo nvidia-smi`,
    };
  }
  return { reason: 'unsupported', hint: `nvidia-smi says ${value.text} for ${field.query}.` };
}

function ask(
  command: readonly string[],
  options: string[],
): Promise<{ code: number | string; output: string }> {
  return new Promise((resolve, reject) => {
    execFile(
      command[0]!,
      [...command.slice(1), ...options],
      { timeout: answerWithinMs, maxBuffer: 64 * 2 ** 20, windowsHide: true },
      (error, stdout, stderr) => {
        log('%s %s: %s', command[0], options.join(' '), error ?? 'answered');
        if (error && typeof error.code === 'string')
          reject(error); // It could not be started.
        else resolve({ code: error ? (error.code ?? error.signal ?? 1) : 0, output: stdout || stderr });
      },
    );
  });
}

function unavailable(error: unknown, command: string): Absence {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') {
    return {
      reason: 'unsupported',
      hint: `There is no ${command}; it comes with the NVIDIA driver, on Ubuntu by: sudo ubuntu-drivers install`,
    };
  }
  if (code === 'EACCES') return { reason: 'permission', hint: `${command} may not be run by this user.` };
  return { reason: 'unsupported', hint: `${command} says: ${messageOf(error)}` };
}

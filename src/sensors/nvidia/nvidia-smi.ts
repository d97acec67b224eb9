import type { Clock } from '../../core/clock.js';
import { messageOf } from '../../core/errors.js';
import type { Nanoseconds } from '../../core/units.js';
import type { Absence } from '../absence.js';
import { spawnInGroup } from '../bounded-child.js';
import {
  type MissingChannel,
  milliseconds,
  type OpenSensor,
  type SampleSink,
  type Sensor,
} from '../sensor.js';
import { missingByMig } from './mig.js';
import { lineSplitter, parseSmiInventory, type SmiInventory, type SmiValue } from './nvidia-smi-parser.js';
import {
  answerWithinMs,
  askSmi,
  type Field,
  firstAnswer,
  type Query,
  queryOf,
  type Row,
  RowReader,
} from './smi-query.js';

const period = milliseconds(100);
/** Periods without a row of a GPU from which on one of its rows is missing. */
const missedAfter = 1.6;

/**
 * NVIDIA GPUs through one long-lived nvidia-smi: the way out where NVML cannot be loaded. It has no energy
 * counter and its lines arrive late by as much as it takes to make them. Its own CPU time is not in the
 * sampler's.
 */
export function nvidiaSmiSensor(
  command: readonly string[] = ['nvidia-smi'],
  withinMs = answerWithinMs,
): Sensor {
  return {
    name: 'nvidia-smi',
    platforms: ['linux', 'win32'],
    figures: ['gpuEnergy', 'gpuTime'],
    reads: `power, utilisation, memory, clocks and temperature of NVIDIA GPUs (${command.join(' ')})`,
    async open(clock) {
      try {
        const { asked, rows, damaged } = await firstAnswer(command, withinMs);
        if (rows.length === 0) return { reason: 'unsupported', hint: 'nvidia-smi lists no GPU.' };
        const missing: MissingChannel[] = [...damaged].map(([index, line]) => ({
          device: `gpu-${index}`,
          quantity: 'all',
          reason: 'unsupported',
          hint: `nvidia-smi gave half a row for it: ${line}`,
        }));
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
export async function readSmiInventory(
  command: readonly string[] = ['nvidia-smi'],
  withinMs = answerWithinMs,
): Promise<SmiInventory> {
  const { output } = await askSmi(command, ['-q', '-x'], withinMs);
  return parseSmiInventory(output);
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
  const reader = new RowReader(asked);
  /** Each GPU's last row: when it came, and whether something else came since that may stand for one. */
  const seen = gpus.map(() => ({ atNs: null as Nanoseconds | null, interrupted: false }));
  let said = '';
  let ended: string | null = null;

  const channelsOf = (gpu: number) =>
    asked.fields
      .filter((field) => wanted[gpu]!.includes(field))
      .map((field, k) => ({ field, channel: firstChannel.get(gpus[gpu]!.index)! + k }));
  const leaveGap = (gpu: number, atNs: Nanoseconds) => {
    for (const { channel } of channelsOf(gpu)) arrived.push({ channel, value: Number.NaN, atNs });
  };
  const accept = (line: string) => {
    const atNs = clock.now();
    const read = reader.read(line);
    if (read === null) return;
    if (read.kind === 'message') {
      said = read.text;
      for (const own of seen) own.interrupted = true;
      return;
    }
    const gpu = gpus.findIndex(({ index }) => index === (read.kind === 'row' ? read.row.index : read.index));
    if (gpu < 0) return;
    const own = seen[gpu]!;
    if (read.kind === 'damaged') {
      leaveGap(gpu, atNs);
      return;
    }
    // A message beside the rows costs nothing; one in place of a row leaves a gap, told by the time without one.
    if (own.interrupted && own.atNs !== null && atNs - own.atNs > missedAfter * period)
      leaveGap(gpu, (own.atNs + atNs) / 2);
    seen[gpu] = { atNs, interrupted: false };
    const values = new Map(asked.fields.map((field, position) => [field, read.row.values[position]!]));
    for (const { field, channel } of channelsOf(gpu))
      arrived.push({ channel, value: numberIn(values.get(field)!, field), atNs });
  };

  const child = spawnInGroup([...command, queryOf(asked), '--format=csv', `--loop-ms=${period / 1e6}`]);
  child.process.stdout.setEncoding('utf8').on('data', lineSplitter(accept));
  child.process.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = text.trim() || said;
  });
  child.process.once('error', (error) => {
    ended = messageOf(error);
  });
  child.process.once('close', (code, signal) => {
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
    close: child.kill,
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

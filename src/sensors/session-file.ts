import { z } from 'zod';
import { TokenworkError } from '../core/errors.js';
import type { Nanoseconds } from '../core/units.js';
import type { Channel } from './sensor.js';

/**
 * A recorded session: JSON lines. The first names the channels; each further one is a sample
 * `[timeNs, channel index, value]` in order of time, `null` for a gap.
 */
export interface RecordedSession {
  /** Where it was recorded, for people. */
  machine: string;
  channels: Channel[];
  samples: RecordedSample[];
}

interface RecordedSample {
  timeNs: Nanoseconds;
  channel: number;
  /** NaN for a gap. */
  value: number;
}

/** A channel as data; a sampler's own fields may be added. */
export const channelSchema = z.strictObject({
  quantity: z.string().min(1),
  device: z.string().min(1),
  unit: z.enum(['ns', 'B', 'J', 'W', 'Hz', '°C', 'ratio', 'count', 'bits']),
  kind: z.enum(['counter', 'gauge']),
  averagedOverNs: z.number().positive().optional(),
});
const headerSchema = z.strictObject({
  tokenworkSession: z.literal(1),
  machine: z.string(),
  channels: z.array(channelSchema).min(1),
});
const sampleSchema = z.tuple([z.number(), z.int().nonnegative(), z.number().nullable()]);

/** Throws `TokenworkError` `bad-session` naming the line that is not understood. */
export function parseSession(text: string, name: string): RecordedSession {
  const lines = text.split(/\r?\n/);
  while (lines.at(-1)?.trim() === '') lines.pop();
  const bad = (line: number, cause: unknown) =>
    new TokenworkError(
      'bad-session',
      `${name} is no recorded session: line ${line} is not understood.`,
      'A session has a line {"tokenworkSession":1,"machine":…,"channels":[…]} and then lines [timeNs,channel,value].',
      { cause },
    );
  const read = <Value>(line: number, schema: z.ZodType<Value>): Value => {
    try {
      return schema.parse(JSON.parse(lines[line - 1] ?? ''));
    } catch (error) {
      throw bad(line, error);
    }
  };
  const { machine, channels } = read(1, headerSchema);
  let lastNs = Number.NEGATIVE_INFINITY;
  const samples = lines.slice(1).map((_, index): RecordedSample => {
    const line = index + 2;
    const [timeNs, channel, value] = read(line, sampleSchema);
    if (channel >= channels.length) throw bad(line, new Error(`there is no channel ${channel}`));
    if (timeNs < lastNs) throw bad(line, new Error('time runs backwards'));
    lastNs = timeNs;
    return { timeNs, channel, value: value ?? Number.NaN };
  });
  return { machine, channels, samples };
}

export function formatSession({ machine, channels, samples }: RecordedSession): string {
  const header = { tokenworkSession: 1, machine, channels };
  const rows = samples.map(({ timeNs, channel, value }) => [
    timeNs,
    channel,
    Number.isNaN(value) ? null : value,
  ]);
  return `${[header, ...rows].map((line) => JSON.stringify(line)).join('\n')}\n`;
}

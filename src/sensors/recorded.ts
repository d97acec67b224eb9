import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { messageOf } from '../core/errors.js';
import { oftenNs, type Sensor } from './sensor.js';
import { parseSession, type RecordedSession } from './session-file.js';

/**
 * Plays a recorded session as if its machine were this one: for tests and demonstrations, and to show
 * on a laptop what a run on a GPU looks like. Its first sample falls on the moment it is opened; when the
 * recording is over, the sensor ends.
 */
export function recordedSensor(path: string): Sensor {
  return {
    name: 'recorded',
    reads: `a session recorded before (${path})`,
    async open(clock) {
      let session: RecordedSession;
      try {
        session = parseSession(await readFile(path, 'utf8'), basename(path));
      } catch (error) {
        return { reason: 'unsupported', hint: messageOf(error) };
      }
      const { channels, samples } = session;
      const offsetNs = clock.now() - (samples[0]?.timeNs ?? 0);
      let next = 0;
      return {
        channels,
        missing: [],
        periodNs: oftenNs,
        arrives: true,
        read(sink) {
          if (next >= samples.length) throw new Error(`the recording ${basename(path)} is over`);
          const nowNs = clock.now() - offsetNs;
          for (; next < samples.length && samples[next]!.timeNs <= nowNs; next++) {
            const { timeNs, channel, value } = samples[next]!;
            sink.put(channel, value, timeNs + offsetNs);
          }
        },
        close: () => {},
      };
    },
  };
}

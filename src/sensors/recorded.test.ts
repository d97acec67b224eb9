import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { recordedSensor } from './recorded.js';
import { fakeClock, openOrFail, record } from './sensor-probe.test-support.js';
import { formatSession, parseSession, type RecordedSession } from './session-file.js';

const directory = mkdtempSync(join(tmpdir(), 'tokenwork-recorded-'));
afterAll(() => rmSync(directory, { recursive: true }));

const session: RecordedSession = {
  machine: 'test',
  channels: [
    { quantity: 'energy', device: 'gpu-0', unit: 'J', kind: 'counter' },
    { quantity: 'power', device: 'gpu-0', unit: 'W', kind: 'gauge', averagedOverNs: 1e9 },
  ],
  samples: [
    { timeNs: 100, channel: 0, value: 1 },
    { timeNs: 150, channel: 1, value: 300 },
    { timeNs: 200, channel: 0, value: Number.NaN },
    { timeNs: 300, channel: 0, value: 7 },
  ],
};

function file(text: string): string {
  const path = join(directory, 'session.jsonl');
  writeFileSync(path, text);
  return path;
}

describe('recordedSensor', () => {
  it('plays the samples at their distances from the moment it is opened', async () => {
    const clock = fakeClock(5000);
    const sensor = await openOrFail(recordedSensor(file(formatSession(session))), clock);
    expect(record(sensor)).toMatchObject({ latest: { 'gpu-0 energy': 1 }, timesNs: [5000] });
    clock.advance(100);
    expect(record(sensor)).toMatchObject({
      latest: { 'gpu-0 power': 300, 'gpu-0 energy': Number.NaN },
      timesNs: [5050, 5100],
    });
    clock.advance(1000);
    expect(record(sensor).latest).toEqual({ 'gpu-0 energy': 7 });
    expect(() => record(sensor)).toThrow('is over');
  });

  it.each([
    ['no header', '[1,0,5]\n', 'line 1'],
    ['a channel that is not announced', formatSession(session).replace('[150,1,', '[150,2,'), 'line 3'],
    ['time running backwards', formatSession(session).replace('[150,', '[50,'), 'line 3'],
    ['a line cut in half', formatSession(session).slice(0, -5), 'line 5'],
  ])('is unavailable with %s, naming the line', async (_, text, line) => {
    const answer = await recordedSensor(file(text)).open(fakeClock());
    expect(answer).toMatchObject({ reason: 'unsupported', hint: expect.stringContaining(line) });
  });

  it('is unavailable without the file', async () => {
    const answer = await recordedSensor(join(directory, 'absent')).open(fakeClock());
    expect(answer).toMatchObject({ reason: 'unsupported', hint: expect.stringContaining('absent') });
  });
});

describe('parseSession', () => {
  it('gives back what formatSession wrote', () => {
    const value = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(Number.NaN));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(1e6), fc.nat(1), value)), (rows) => {
        let timeNs = 0;
        const samples = rows.map(([step, channel, sample]) => {
          timeNs += step;
          return { timeNs, channel, value: sample === 0 ? 0 : sample }; // JSON knows no −0.
        });
        expect(parseSession(formatSession({ ...session, samples }), 'x')).toEqual({ ...session, samples });
      }),
    );
  });
});

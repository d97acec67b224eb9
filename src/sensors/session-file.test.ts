import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { recordedSensor, sessionOf } from './session.test-support.js';
import { checkSession, openSession, type RecordedSample } from './session-file.js';

const directory = mkdtempSync(join(tmpdir(), 'tokenwork-session-'));
afterAll(() => rmSync(directory, { recursive: true }));
const path = join(directory, 'session.jsonl');

const sensor = recordedSensor('nvml', [
  { quantity: 'energy', device: 'gpu-0', unit: 'J', kind: 'counter' },
  { quantity: 'power', device: 'gpu-0', unit: 'W', kind: 'gauge', averagedOverNs: 1e9 },
]);
const session = sessionOf(
  'test',
  [sensor],
  [
    { timeNs: 100, channel: 0, value: 1 },
    { timeNs: 150, channel: 1, value: 300 },
    { timeNs: 300, channel: 0, value: 7 },
  ],
);

function readBack(text: string | Uint8Array) {
  writeFileSync(path, text);
  const { header, samples, close } = openSession(path);
  const all = [...samples];
  close();
  return { header, samples: all };
}

const check = (text: string | Uint8Array) => () => {
  writeFileSync(path, text);
  return checkSession(path);
};

describe('a session file', () => {
  it('gives back what was written', () => {
    const value = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(Number.NaN));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(1e6), fc.nat(1), value)), (rows) => {
        let timeNs = 0;
        const samples = rows.map(([step, channel, sample]): RecordedSample => {
          timeNs += step;
          return { timeNs, channel, value: sample === 0 ? 0 : sample }; // JSON knows no −0.
        });
        const read = readBack(sessionOf('test', [sensor], samples));
        expect(read.samples).toEqual(samples);
        expect(read.header).toMatchObject({ machine: 'test', usesGpu: true, sensors: [sensor] });
      }),
      { numRuns: 30 },
    );
  });

  it('longer than it is read at once comes back whole', () => {
    const samples = Array.from({ length: 20_000 }, (_, index) => ({
      ...{ timeNs: index * 1e6, channel: 0, value: index / 3 },
    }));
    expect(readBack(sessionOf('test', [sensor], samples)).samples).toEqual(samples);
  });

  it('cut off by a kill at any byte after its header holds what came before', () => {
    const headerBytes = session.indexOf('\n') + 1;
    for (let bytes = headerBytes; bytes <= session.length; bytes++) {
      const { samples } = readBack(session.slice(0, bytes));
      const whole = session.slice(headerBytes, bytes).match(/\]/g)?.length ?? 0;
      expect(samples).toHaveLength(whole);
    }
  });

  it('may have the line breaks of Windows, and empty lines', () => {
    expect(readBack(session.replaceAll('\n', '\r\n\r\n')).samples).toHaveLength(3);
  });

  const header = JSON.parse(session.slice(0, session.indexOf('\n')));
  const withHeader = (changes: object) =>
    `${JSON.stringify({ ...header, ...changes })}\n${session.slice(session.indexOf('\n') + 1)}`;
  const withSensor = (changes: object) => withHeader({ sensors: [{ ...sensor, ...changes }] });
  const withUnit = (unit: string) =>
    withSensor({ channels: sensor.channels.map((channel) => ({ ...channel, unit })) });

  it.each<[string, string | Uint8Array, RegExp]>([
    ['empty', '', /it is empty/],
    ['without a sample', session.slice(0, session.indexOf('\n') + 1), /holds no sample/],
    ['cut off in its header', session.slice(0, 40), /line 1 is no header/],
    ['of something else', '{"schemaVersion":1}\n', /line 1 is no header/],
    ['of samples alone', '[1,0,5]\n', /line 1 is no header/],
    ['of binary data', Buffer.alloc(3000, 0xff), /line 1 is no header/],
    ['without line breaks and large', Buffer.alloc(2 ** 21, 0x20), /line 1: it is too long/],
    ['of a later format', withHeader({ tokenworkSession: 2 }), /format 2, .* plays format 1/],
    ['with a field that nobody knows', withHeader({ further: 1 }), /line 1: .*further/],
    ['without a date', withHeader({ recordedAt: 'today' }), /line 1: recordedAt/],
    ['without sensors', withHeader({ sensors: [] }), /line 1: sensors: no sensor has a channel/],
    [
      'with two sensors of one name',
      withHeader({ sensors: [sensor, { ...sensor, channels: [] }] }),
      /same name/,
    ],
    ['with two channels of one id', withHeader({ sensors: [sensor, { ...sensor, name: 'b' }] }), /same id/],
    ['with an unknown unit', withUnit('kWh'), /line 1: sensors\[0\]\.channels\[0\]\.unit/],
    ['with energy in W', withUnit('W'), /energy is in J, not in W/],
    ['with a sensor that is never read', withSensor({ periodNs: null }), /periodNs: expected a period/],
    ['with a sensor gone for no reason', withSensor({ available: false }), /expected a reason/],
    ['with time running backwards', session.replace('[300,', '[50,'), /line 4: time runs backwards/],
    [
      'with a channel that is not announced',
      session.replace('[150,1,', '[150,2,'),
      /line 3: .* no channel 2/,
    ],
    ['with NaN as a value', session.replace('300]', 'NaN]'), /line 3: it is not \[timeNs/],
    ['with an endless value', session.replace('300]', '1e999]'), /line 3: its value is neither/],
    ['with text as a value', session.replace('300]', '"300"]'), /line 3: its value is neither/],
    ['with text as a time', session.replace('[150,', '["150",'), /line 3: its time/],
    ['with a line torn in the middle', session.replace('150,1,300]', '150,1,'), /line 3: it is not/],
    ['with a fourth figure', session.replace('300]', '300,1]'), /line 3: it is not/],
  ])('%s is refused, saying what is wrong', (_, text, message) => {
    expect(check(text)).toThrow(
      expect.objectContaining({ code: 'bad-session', exitCode: 2, message: expect.stringMatching(message) }),
    );
  });

  it.each(['absent.jsonl', 'folder'])('is refused where there is none: %s', (name) => {
    mkdirSync(join(directory, 'folder'), { recursive: true });
    expect(() => checkSession(join(directory, name))).toThrow(
      expect.objectContaining({ code: 'no-session', exitCode: 2 }),
    );
  });

  it('is known by its digest', () => {
    const first = check(session)();
    expect(check(session)().sha256).toBe(first.sha256);
    expect(check(session.replace('300]', '301]'))().sha256).not.toBe(first.sha256);
  });
});

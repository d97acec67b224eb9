import { describe, expect, it } from 'vitest';
import {
  energyOf,
  type FakeChannel,
  gaugeOf,
  sampling,
  second,
  sensor,
} from '../journal/testing/sampled-journal.js';
import { timelineOf } from '../sampling/attribution/timeline.js';
import { sampledSegments } from './segments.js';

const lines = (channel: FakeChannel, seconds: number) =>
  timelineOf(sampledSegments(sampling([[sensor('fake', [channel], 0), [channel]]], [0, seconds], 0)));

describe('the time line of a channel', () => {
  it('shows a counter of energy as power', () => {
    const [line] = lines(energyOf('gpu-0', 250), 10);
    expect(line).toMatchObject({
      sensor: 'fake',
      device: 'gpu-0',
      quantity: 'energy',
      unit: 'W',
      samples: 1001,
    });
    for (const watts of line!.values) expect(watts).toBeCloseTo(250, 3);
  });

  it('shows a counter of time as the share of it', () => {
    const [line] = lines(
      {
        quantity: 'cpuTime',
        device: 'process',
        unit: 'ns',
        kind: 'counter',
        at: (time) => 0.5 * time * second,
      },
      2,
    );
    expect(line!.unit).toBe('ratio');
    expect(line!.values[0]).toBeCloseTo(0.5, 6);
  });

  it('shows a gauge as it was, with its gaps', () => {
    const gauge = gaugeOf('gpu-0', 'power', 'W', 70);
    const [line] = lines({ ...gauge, at: (time) => (time > 1 && time < 2 ? Number.NaN : 70) }, 3);
    expect(new Set(line!.values)).toEqual(new Set([70, null]));
    expect(line!.timesNs).toEqual([...line!.timesNs].sort((a, b) => a - b));
  });

  it('keeps to some hundred points however long the run', () => {
    const [line] = lines(gaugeOf('gpu-0', 'power', 'W', 70), 600);
    expect(line!.samples).toBe(60_001);
    expect(line!.values.length).toBeGreaterThan(300);
    expect(line!.values.length).toBeLessThanOrEqual(501);
  });

  it('leaves out a channel that gave nothing', () => {
    expect(lines(gaugeOf('gpu-0', 'processMemory', 'B', Number.NaN), 2)).toEqual([]);
  });
});

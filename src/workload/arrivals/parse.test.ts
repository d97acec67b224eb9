import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { arrivalOptions } from './options.js';
import { type ArrivalsChoice, chooseArrivals, parseArrivals } from './parse.js';

const choose = (choice: Partial<ArrivalsChoice>) =>
  chooseArrivals({ concurrency: null, traceTimes: null, ...choice });
const process = (choice: Partial<ArrivalsChoice>) => {
  const chosen = choose(choice);
  return chosen.kind === 'one' ? chosen.process : null;
};

describe('the value of --arrivals', () => {
  it.each([
    ['closed', { kind: 'closed' }],
    ['Poisson', { kind: 'poisson' }],
    ['gamma:2.5', { kind: 'gamma', variation: 2.5 }],
    ['ramp:1-20', { kind: 'ramp', from: 1, to: 20 }],
    ['ramp:0.5..2.5', { kind: 'ramp', from: 0.5, to: 2.5 }],
    ['ramp:20-1', { kind: 'ramp', from: 20, to: 1 }],
    ['sweep', { kind: 'sweep', steps: 8 }],
    ['sweep:12', { kind: 'sweep', steps: 12 }],
  ])('reads %s', (text, option) => {
    expect(parseArrivals(text)).toEqual(option);
  });

  it.each([
    ['poison', /Did you mean "poisson"/],
    ['', /Use closed, constant/],
    ['gamma', /gamma:2/],
    ['gamma:0', /gamma:2/],
    ['gamma:', /gamma:2/],
    ['gamma:1e9', /gamma:2/],
    ['ramp', /ramp:FROM-TO/],
    ['ramp:0-5', /ramp:FROM-TO/],
    ['ramp:5', /ramp:FROM-TO/],
    ['ramp:1--5', /ramp:FROM-TO/],
    ['sweep:2', /sweep:12/],
    ['sweep:3.5', /sweep:12/],
    ['poisson:4', /Write poisson/],
  ])('refuses "%s" and says what to write', (text, hint) => {
    expect(() => parseArrivals(text)).toThrow(
      expect.objectContaining({ code: 'bad-option', hint: expect.stringMatching(hint) }),
    );
  });
});

describe('the choice of arrivals', () => {
  it('is a closed loop where nothing is said', () => {
    expect(process({})).toEqual({ kind: 'closed', concurrency: 1 });
    expect(process({ concurrency: 8 })).toEqual({ kind: 'closed', concurrency: 8 });
  });

  it('is a Poisson process where only a rate is said, a sweep where it is a range', () => {
    expect(process({ rate: 4 })).toEqual({ kind: 'poisson', rate: 4 });
    expect(choose({ rate: '1..16' })).toMatchObject({ kind: 'sweep' });
  });

  it('is a trace’s own times where only a speed is said', () => {
    expect(process({ speed: 2, traceTimes: true })).toEqual({ kind: 'trace', speed: 2 });
  });

  it('gives the steps of a sweep in equal ratios', () => {
    expect(choose({ arrivals: 'sweep:5', rate: '1..16' })).toEqual({
      kind: 'sweep',
      rates: [1, 2, 4, 8, 16],
    });
    expect(choose({ arrivals: 'sweep:3', rate: '0.5..2' })).toEqual({ kind: 'sweep', rates: [0.5, 1, 2] });
  });

  it.each<[string, Partial<ArrivalsChoice>, RegExp]>([
    ['a process without its rate', { arrivals: 'poisson' }, /Add --rate R/],
    ['one rate where a range is needed', { arrivals: 'sweep', rate: 3 }, /--rate A\.\.B/],
    ['no rate of a sweep', { arrivals: 'sweep' }, /--rate A\.\.B/],
    ['a falling range', { rate: '5..5' }, /--rate A\.\.B/],
    ['a range where one rate is needed', { arrivals: 'gamma:2', rate: '1..3' }, /sweep/],
    ['a rate of a closed loop', { arrivals: 'closed', rate: 3 }, /Leave out --arrivals/],
    ['a rate of a ramp', { arrivals: 'ramp:1-2', rate: 3 }, /Leave out --rate/],
    ['a rate of a trace', { arrivals: 'trace', rate: 3, traceTimes: true }, /--speed/],
    ['a speed of anything else', { arrivals: 'poisson', rate: 3, speed: 2 }, /--arrivals trace/],
    ['trace times without a trace', { arrivals: 'trace' }, /--trace/],
    ['trace times that a trace lacks', { arrivals: 'trace', traceTimes: false }, /have times/],
    ['a concurrency of an open loop', { rate: 3, concurrency: 4 }, /--max-in-flight/],
    ['a rate of 0', { rate: 0 }, /--rate 4/],
  ])('refuses %s', (_, choice, hint) => {
    expect(() => choose(choice)).toThrow(
      expect.objectContaining({ code: 'bad-option', hint: expect.stringMatching(hint) }),
    );
  });
});

describe('the schemas of the options', () => {
  it('take what the command line and a journal hold', () => {
    const schema = z.object({ rate: arrivalOptions.rate.value });
    for (const [given, read] of [
      ['4', 4],
      [4, 4],
      ['1..8', '1..8'],
    ])
      expect(schema.parse({ rate: given })).toEqual({ rate: read });
    for (const refused of ['fast', '0', '-1', '1..', '1...2', Number.NaN])
      expect(schema.safeParse({ rate: refused }).success).toBe(false);
  });
});

import { z } from 'zod';
import type { OptionRecord } from '../options/option-record.js';

const number = String.raw`\d+(?:\.\d+)?`;

/** Two rates, `FROM..TO`; a ramp may also be written with a hyphen. */
export const rateRange = new RegExp(`^(${number})\\.\\.(${number})$`);
export const rampRange = new RegExp(`^(${number})(?:-|\\.\\.)(${number})$`);

/** Options of `bench` that say when requests are sent to a server, in the form of `bench-options.ts`. */
export const arrivalOptions = {
  arrivals: {
    flag: '--arrivals <process>',
    help: 'when requests are sent: closed (as answers come, --concurrency at a time), constant, poisson, gamma:CV (CV of the gaps; above 1 in bursts), ramp:FROM-TO, trace (its own times) or sweep[:STEPS] (default: closed; poisson with --rate)',
    value: z.string().min(1),
    repeated: 'arrivals',
    only: 'server',
    group: 'When requests are sent',
  },
  rate: {
    flag: '--rate <rate>',
    help: 'requests per second of an open loop, sent whether or not others were answered; A..B for a sweep',
    value: z.union([z.coerce.number().positive(), z.string().regex(rateRange)]),
    expected: 'a number of requests per second above 0, or A..B',
    repeated: 'rate',
    only: 'server',
    group: 'When requests are sent',
  },
  speed: {
    flag: '--speed <factor>',
    help: 'how many times as fast as recorded a trace is sent (default: 1)',
    value: z.number().positive(),
    expected: 'a number above 0',
    repeated: 'speed',
    only: 'server',
    group: 'When requests are sent',
  },
  maxInFlight: {
    flag: '--max-in-flight <n>',
    help: 'requests that an open loop may have in flight; beyond them a request counts as unsent (default: 1024)',
    value: z.int().positive(),
    most: 65_536,
    repeated: 'max-in-flight',
    only: 'server',
    group: 'When requests are sent',
  },
  catchUp: {
    flag: '--catch-up',
    help: 'send requests whose time has passed too, in a burst; else they count as unsent once they are 100 ms late',
    value: z.boolean(),
    repeated: 'catch-up',
    only: 'server',
    group: 'When requests are sent',
  },
} as const satisfies Record<string, OptionRecord>;

import { z } from 'zod';

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
  },
  rate: {
    flag: '--rate <rate>',
    help: 'requests per second of an open loop, sent whether or not others were answered; A..B for a sweep',
    value: z.union([z.coerce.number().positive(), z.string().regex(rateRange)]),
    expected: 'a number of requests per second above 0, or A..B',
    repeated: 'rate',
  },
  speed: {
    flag: '--speed <factor>',
    help: 'how many times as fast as recorded a trace is sent (default: 1)',
    value: z.number().positive(),
    expected: 'a number above 0',
    repeated: 'speed',
  },
  maxInFlight: {
    flag: '--max-in-flight <n>',
    help: 'requests that an open loop may have in flight; beyond them a request counts as unsent (default: 1024)',
    value: z.int().positive(),
    most: 65_536,
    repeated: 'max-in-flight',
  },
  catchUp: {
    flag: '--catch-up',
    help: 'send requests whose time has passed too, in a burst; else they count as unsent once they are 100 ms late',
    value: z.boolean(),
    repeated: 'catch-up',
  },
} as const;

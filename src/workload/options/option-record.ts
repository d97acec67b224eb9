import type { z } from 'zod';

/** Headings of the help of `bench`, in its order. */
export const optionGroups = [
  'Workload',
  'Models in this process',
  'Servers',
  'When requests are sent',
  'Measuring',
  'Output',
] as const;

/** An option of the command line, and what follows from it elsewhere. */
export interface OptionRecord {
  /** The flag as commander takes it, such as `--threads <n>`. */
  flag: string;
  help: string;
  /** Schema of the value, in a suite file and a journal too; it parses the text. A switch is a boolean. */
  value: z.ZodType;
  /** Schema of what the command line takes, where a file may hold less, or more, as from a larger machine. */
  least?: number;
  most?: number;
  /** Words for a text that `value` refuses, where its schema has none. */
  expected?: string;
  default?: string | number;
  /** The name under which going on with a run refuses another value than it began with; free where absent. */
  repeated?: string;
  /** Runs that it is for: in this process, or on a server; both where absent. */
  only?: 'here' | 'server';
  /** The heading under which the help of `bench` lists it. */
  group: (typeof optionGroups)[number];
}

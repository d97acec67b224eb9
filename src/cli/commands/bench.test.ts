import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { benchOptions } from '../../workload/options/bench-options.js';
import { benchCommand } from './bench.js';

const command = benchCommand().exitOverride();
let help = '';
command.configureOutput({
  writeOut: (text) => {
    help += text;
  },
  writeErr: () => {},
});
command.outputHelp();

/** What an option's parser makes of a text. */
const parsed = (name: keyof typeof benchOptions, text: string) =>
  command.options.find((option) => option.attributeName() === name)!.parseArg?.(text, undefined);

describe('the options of bench', () => {
  it('are those declared, each under the name that commander gives it', () => {
    const names = command.options.map((option) => option.attributeName());
    expect(names.sort()).toEqual(Object.keys(benchOptions).sort());
  });

  it.each(['suites', 'pipelines'])('show all %s that are shipped in the help', (folder) => {
    const names = readdirSync(new URL(`../../../bench/${folder}`, import.meta.url));
    for (const name of names) expect(help).toMatch(new RegExp(`^ +${name.replace('.json', '')}  +\\S`, 'm'));
  });

  it('are parsed by the schema that suites and journals have of them', () => {
    expect(parsed('repetitions', '3')).toBe(3);
    expect(parsed('warmup', '0')).toBe(0);
    expect(parsed('deadline', '0.5')).toBe(0.5);
    expect(parsed('dtype', 'q4')).toBe('q4');
    expect(parsed('sensors', 'recorded:a.jsonl')).toBe('recorded:a.jsonl');
    expect(parsed('model', 'tiny')).toEqual(['tiny']);
    expect(parsed('suite', 'ci')).toBe('ci');
  });

  it.each([
    ['repetitions', '0', 'whole number of at least 1'],
    ['warmup', '-1', 'whole number of at least 0'],
    ['seed', '-1', 'whole number of at least 0'],
    ['concurrency', '257', 'from 1 to 256'],
    ['threads', '', 'whole number from 1'],
    ['deadline', '0', 'a number of seconds above 0'],
    ['deadline', ' ', 'a number of seconds above 0'],
    ['dtype', 'fp23', 'Did you mean "fp32"?'],
    ['sensors', 'recorded:', 'auto, none, or recorded:FILE'],
    ['suite', '', 'not empty'],
  ] as const)('refuse --%s "%s"', (name, text, said) => {
    expect(() => parsed(name, text)).toThrow(said);
  });
});

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { metrics } from '../../core/metrics.js';
import { statistics } from '../../core/statistics.js';
import { runCommandLine } from '../command-line.js';
import { terminalOf } from '../terminal.js';
import { type CompletedCommand, completionScripts } from './completion-scripts.js';

afterEach(() => vi.unstubAllEnvs());

/** What a command line prints, as where stdout is a pipe. */
async function printed(...args: string[]): Promise<string> {
  let text = '';
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((chunk, encoding, done?) => {
      text += chunk;
      (typeof encoding === 'function' ? encoding : done)?.();
      return true;
    }),
  );
  try {
    await runCommandLine(args);
    return text;
  } finally {
    process.exitCode = undefined;
    for (const spy of spies) spy.mockRestore();
  }
}

describe('help', () => {
  it.each([
    ['help'],
    ['bench', '--help'],
    ['report', '--help'],
    ['trace', '--help'],
    ['import', '--help'],
    ['diff', '--help'],
    ['flops', '--help'],
    ['models', '--help'],
    ['models', 'prune', '--help'],
    ['doctor', '--help'],
    ['completion', '--help'],
    ['help', 'topics'],
    ['help', 'noise'],
  ])('%s %s fits 80 columns where it is piped', async (...args) => {
    const tooLong = (await printed(...args)).split('\n').filter((line) => line.length > 80);
    expect(tooLong).toEqual([]);
  });

  it('lists each command in a line of its own, and nothing that reads as another', async () => {
    const list = (await printed('help')).split('Commands:\n')[1]!.split('\n\n')[0]!;
    const starts = [...list.matchAll(/^ {2}(\S+)/gm)].map(([, name]) => name);
    const all = [
      'bench',
      'report',
      'trace',
      'import',
      'diff',
      'flops',
      'models',
      'doctor',
      'help',
      'completion',
    ];
    expect(starts).toEqual(all);
    expect(await printed()).toContain('Commands:');
  });

  it('says of a command what --help says', async () => {
    expect(await printed('help', 'diff')).toBe(await printed('diff', '--help'));
    expect(await printed('help', 'models', 'prune')).toContain('--older-than <age>');
    expect(await printed('diff', '--help')).toContain('--fail-on <threshold>');
  });

  it('defines every metric and statistic by the words of its record', async () => {
    const flat = async (topic: string) => (await printed('help', topic)).replaceAll(/\s+/g, ' ');
    for (const { name, definition } of [...metrics, ...statistics])
      expect(await flat(name)).toContain(definition);
    expect(await flat('CPUTIME')).toContain('unit ns');
    expect(await flat('topics')).toMatch(/cpuTime .* misbilled/);
    expect(await flat('misbiled')).toContain('Did you mean "misbilled"?');
  });

  it('documents the statistics as they are defined', () => {
    const script = fileURLToPath(new URL('../../../scripts/document-statistics.js', import.meta.url));
    expect(spawnSync(process.execPath, [script, '--check']).status).toBe(0);
  });
});

describe('completion', () => {
  const commands: CompletedCommand[] = [
    { path: [], description: '', options: [], words: ['bench', 'models'] },
    {
      path: ['bench'],
      description: 'Runs',
      options: [
        { names: ['--device'], takesValue: true, values: ['cpu', 'cuda'], description: "a device's name" },
        { names: ['--out'], takesValue: true, values: [], description: 'a file' },
        { names: ['-q', '--quiet'], takesValue: false, values: [], description: 'no progress' },
      ],
      words: [],
    },
    { path: ['models'], description: 'Models', options: [], words: ['size'] },
    { path: ['models', 'size'], description: 'Sizes', options: [], words: [] },
  ];

  it.skipIf(spawnSync('bash', ['--version']).error !== undefined)('in bash', () => {
    const complete = (...words: string[]) => {
      const script = `${completionScripts.bash(commands)}
        COMP_WORDS=(tokenwork "$@"); COMP_CWORD=$#; _tokenwork; echo "\${COMPREPLY[*]}"`;
      return spawnSync('bash', ['-c', script, 'bash', ...words], { encoding: 'utf8' }).stdout.trim();
    };
    expect(complete('')).toBe('bench models');
    expect(complete('be')).toBe('bench');
    expect(complete('bench', '--')).toBe('--device --out --quiet');
    expect(complete('bench', '--device', 'cu')).toBe('cuda');
    // Nothing, so that bash completes a file's name.
    expect(complete('bench', '--out', '')).toBe('');
    expect(complete('bench', '--quiet', '--out', 'x', '--dev')).toBe('--device');
    expect(complete('models', 's')).toBe('size');
  });

  it.each(['bash', 'zsh', 'fish'] as const)('is a script that %s can read', (shell) => {
    const flag = shell === 'fish' ? '--no-execute' : '-n';
    const script = completionScripts[shell](commands);
    expect(script).toContain('--device'.slice(shell === 'fish' ? 2 : 0));
    const file = join(mkdtempSync(join(tmpdir(), 'tokenwork-completion-')), 'script');
    writeFileSync(file, script);
    const { error, status, stderr } = spawnSync(shell, [flag, file], { encoding: 'utf8' });
    rmSync(dirname(file), { recursive: true });
    if (error === undefined) expect([status, stderr]).toEqual([0, '']);
  });

  it('knows what the options of this version can be', async () => {
    const script = await printed('completion', 'bash');
    for (const known of ['batch-neighbours', 'guarded-chat', 'smollm2-135m', 'webgpu', 'misbilled'])
      expect(script).toContain(known);
  });
});

it('NO_COLOR takes colours away, whatever else asks for them', () => {
  const terminal = { isTTY: true, columns: 100, hasColors: () => true } as NodeJS.WriteStream;
  const pipe = { isTTY: false } as NodeJS.WriteStream;
  vi.stubEnv('NO_COLOR', '');
  vi.stubEnv('FORCE_COLOR', '1');
  expect([terminal, pipe].map((stream) => terminalOf(stream).color)).toEqual([true, true]);
  vi.stubEnv('NO_COLOR', '1');
  expect([terminal, pipe].map((stream) => terminalOf(stream).color)).toEqual([false, false]);
});

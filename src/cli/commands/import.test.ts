import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { compareResults } from '../../analysis/compare/compare.js';
import { vllmResult } from '../../import/samples.test-support.js';
import { renderReport } from '../report-text.js';
import { readResultFile } from '../result-file.js';
import { importCommand } from './import.js';

const folder = mkdtempSync(join(tmpdir(), 'tokenwork-import-command-'));
afterAll(() => rmSync(folder, { recursive: true }));

const at = (name: string) => join(folder, name);

async function run(...args: string[]): Promise<string> {
  let printed = '';
  const stdout = vi.spyOn(process.stdout, 'write').mockImplementation(((text: string, done?: () => void) => {
    printed += text;
    done?.();
    return true;
  }) as typeof process.stdout.write);
  try {
    await importCommand().parseAsync(args, { from: 'user' });
  } finally {
    stdout.mockRestore();
  }
  return printed;
}

describe('import', () => {
  writeFileSync(at('vllm.json'), JSON.stringify(vllmResult()));

  it('writes a result that report and diff take', async () => {
    await run(at('vllm.json'), '--shape', 'tiny', '--dtype', 'fp16', '--quiet', '--out', at('a.json'));
    const result = await readResultFile(at('a.json'));
    expect(result.models[0]).toMatchObject({ dtype: 'fp16', source: 'server' });
    const report = renderReport(result, 'a.json', { width: 100, color: false, full: false });
    expect(report).toMatch(/unknown machine \(vllm bench serve does not tell\)/);
    expect(report).toMatch(/1 of 3 requests failed: .*peer left/);
    expect(compareResults(result, [result])[0]!.geomean.ttft).toMatchObject({ ratio: 1 });
  });

  it('replaces a result where --force says so, and no file otherwise', async () => {
    const args = [at('vllm.json'), '--quiet', '--out', at('b.json')];
    await run(...args);
    await expect(run(...args)).rejects.toMatchObject({ code: 'unwritable-output' });
    await run(...args, '--force');
  });

  it('says what it imported to machines, and prints the result where that is asked for', async () => {
    const said = JSON.parse(await run(at('vllm.json'), '--json', '--out', at('c.json')));
    expect(said).toMatchObject({ tool: 'vllm bench serve', requests: 3, failed: 1, cells: 3 });
    const printed = await run(at('vllm.json'), '--quiet', '--out', '-');
    expect(JSON.parse(printed).requests).toHaveLength(3);
    expect(JSON.parse(printed)).toMatchObject({ run: { suite: 'import:vllm-bench' } });
    expect(JSON.parse(readFileSync(at('c.json'), 'utf8')).schemaVersion).toBe(4);
  });
});

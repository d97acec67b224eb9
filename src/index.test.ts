import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { apiExamples } from './examples.test-support.js';
import * as library from './index.js';

it('exports what is documented, and nothing else that runs', () => {
  expect(Object.keys(library).sort()).toEqual([
    'TokenworkError',
    'bench',
    'compareResults',
    'countFlops',
    'exitCode',
    'findingsOf',
    'headline',
    'isOk',
    'readResult',
    'renderPage',
  ]);
});

it('shows an example of all that it exports', () => {
  expect([...new Set(apiExamples().map(({ name }) => name))].sort()).toEqual(Object.keys(library).sort());
});

it('loads no native library before something is measured or counted', () => {
  const built = fileURLToPath(new URL('../dist/index.js', import.meta.url));
  const script = `await import(${JSON.stringify(built)});
    console.log(process.report.getReport().sharedObjects.filter((file) => /koffi|onnxruntime/.test(file)));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(stdout.trim()).toBe('[]');
});

it('counts no other pass than the one that was asked for', async () => {
  await expect(library.countFlops('tiny', { promptToken: 5 } as object)).rejects.toMatchObject({
    code: 'bad-option',
    hint: expect.stringContaining('Did you mean "promptTokens"?'),
  });
  await expect(library.countFlops(undefined as unknown as string)).rejects.toMatchObject({
    code: 'bad-option',
  });
});

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
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

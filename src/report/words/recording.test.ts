import { expect, it } from 'vitest';
import { compareResults } from '../../analysis/compare/compare.js';
import { findingsOf } from '../../analysis/findings.js';
import { simulateResult } from '../../analysis/simulated-result.test-support.js';
import type { Result } from '../../core/result.js';
import { renderPage } from '../html/page.js';
import { renderRun } from '../terminal/run.js';

const measured = simulateResult([{ promptTokens: 4, completionTokens: 4, rate: 1 }], {
  ...{ seed: 1, repetitions: 3, noise: 0.01 },
});
const played: Result = {
  ...measured,
  environment: {
    ...measured.environment,
    recording: {
      ...{ file: 'h100.jsonl', sha256: 'ab', machine: 'a server <b>' },
      recordedAt: '2026-11-24T10:00:00.000Z',
    },
  },
};
const notice = 'NOT of this run: they were played from h100.jsonl';

it('a report and a page say that what the sensors read is of another machine', async () => {
  const shown = { width: 400, color: false };
  expect(renderRun(played, shown)).toContain(notice);
  expect(renderRun(measured, shown)).not.toContain(notice);
  const page = (result: Result) => renderPage([{ result, findings: findingsOf(result) }]);
  const html = await page(played);
  expect(html).toContain(notice);
  expect(html).not.toContain('a server <b>');
  expect(await page(measured)).not.toContain(notice);
});

it('findings name what was played, and nothing where nothing was', () => {
  expect(findingsOf(played).recording).toEqual(played.environment.recording);
  expect(findingsOf(measured)).not.toHaveProperty('recording');
});

it('a comparison names it as a difference in settings', () => {
  expect(compareResults(measured, [played])[0]!.configuration).toContainEqual({
    ...{ what: 'sensors', baseline: 'this machine’s' },
    candidate: expect.stringContaining('h100.jsonl'),
  });
});

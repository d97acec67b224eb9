import { describe, expect, it } from 'vitest';
import { costCard } from '../../analysis/card/cost-card.js';
import { findingsOf } from '../../analysis/findings.js';
import { resultsByModel } from '../../analysis/one-model.js';
import { testModel } from '../../analysis/result.test-support.js';
import { factorial, simulateResult } from '../../analysis/simulated-result.test-support.js';
import type { Result } from '../../core/result.js';
import { renderCostCard } from './cost-card.js';

const cells = [
  ...factorial(
    [16, 64, 256],
    [8, 32, 64],
    (prompt, completion) => (2 * prompt + 5 * completion) / (prompt + completion),
  ),
  { promptTokens: 128, completionTokens: 128, rate: 3.5 },
];
const measured = (): Result => simulateResult(cells, { seed: 1, repetitions: 4, noise: 0.01 });

function cardOf(result: Result) {
  const findings = findingsOf(result, { resamples: 100 });
  const card = costCard(result, findings);
  return { card, text: renderCostCard(card, findings, result) };
}

describe('a cost card', () => {
  it('says what a plain token costs, with how sure that is, and what was not measured', () => {
    const { card, text } = cardOf(measured());
    const cpuTime = card.plainToken.find(({ figure }) => figure === 'cpuTime')!;
    // 3.5 ms by the design; the mean of four with 1% of noise errs by half a percent.
    expect(Math.abs(cpuTime.value! / 3.5e6 - 1)).toBeLessThan(0.02);
    expect(cpuTime.low! < cpuTime.value! && cpuTime.value! < cpuTime.high!).toBe(true);
    expect(card.plainTokenCell).toBe('cell-9');
    expect(card.plainToken.find(({ figure }) => figure === 'energy')).toMatchObject({
      value: null,
      reason: expect.stringMatching(/./),
    });
    expect(text).toMatch(/\| CPU time \| 3\.\d+ ms \| 3\.\d+–3\.\d+ ms \|/);
    expect(text).toMatch(/Not measured: .*energy/);
  });

  it('names the prices that made the work', () => {
    expect(cardOf(measured()).text).toMatch(
      /(2\.0\d|1\.9\d|2) ms an input token, (5\.\d+|4\.9\d|5) ms an output token/,
    );
  });

  it('says how it was made, so that it can be made again', () => {
    const result = measured();
    result.tool.commit = '0123456789ab-dirty';
    const { text } = cardOf(result);
    expect(text).toContain('commit 0123456789ab with local changes; seed 1');
    expect(text).toContain(
      '```sh\ngit checkout 0123456789ab\nnpm ci\nnpx tokenwork bench --suite quick\n```',
    );
  });

  it('is one for each model, or of the one asked for', () => {
    const result = measured();
    const both: Result = {
      ...result,
      models: [testModel('m', 'fp32'), testModel('n', 'q4')],
      cells: result.cells.map((cell, index) => ({ ...cell, model: index < 5 ? 'm' : 'n' })),
    };
    expect(resultsByModel(both).map((own) => cardOf(own).card.model.dtype)).toEqual(['fp32', 'q4']);
    expect(resultsByModel(both, 'n').map(({ cells: own }) => own.length)).toEqual([5]);
    expect(() => resultsByModel(both, 'o')).toThrow(/no model "o"/);
  });

  it('lets nothing in a result end a table, open a tag, call a person or run in a shell', () => {
    const result = measured();
    const hostile =
      'x|y <img src=x onerror=alert(1)> `code` [link](javascript:alert(1)) @someone\n# heading\n```';
    result.models[0]!.id = hostile;
    for (const cell of result.cells) Object.assign(cell, { id: `${hostile}${cell.id}`, model: hostile });
    for (const request of result.requests) request.cell = `${hostile}${request.cell}`;
    result.hardware.cpu.brand = hostile;
    result.metrics.cpuTime!.method = hostile;
    result.warnings.push({ code: 'w', message: hostile, hint: hostile });
    result.run.command = 'tokenwork bench; rm -rf ~';
    result.tool.commit = '$(reboot)';
    const { text } = cardOf(result);
    expect(text).not.toMatch(/<img|[^\\]`code|[^\\]\[link|@someone|rm -rf|\$\(reboot\)/);
    expect(text.split('\n').filter((line) => line.startsWith('# '))).toHaveLength(1);
    for (const table of text.split('\n\n').filter((part) => part.startsWith('| '))) {
      const widths = table.split('\n').map((line) => line.replaceAll('\\|', '').split('|').length);
      expect(new Set(widths).size, table).toBe(1);
    }
  });

  it('of a run that measured nothing says so', () => {
    const result = measured();
    for (const request of result.requests) Object.assign(request.work!, { cpuTime: null });
    const { card, text } = cardOf(result);
    expect(card.changes).toBeNull();
    expect(text).toContain('no work was measured');
  });
});

import { describe, expect, it } from 'vitest';
import { findingsOf } from '../../analysis/findings.js';
import { failedRequest, realisticResult } from '../../analysis/result.test-support.js';
import type { Result } from '../../core/result.js';
import { renderAnswer } from './answer.js';

const more = 'More: tokenwork report tokenwork-quick-20261123T100000.json --full';

function linesOf(result: Result, width = 80): string[] {
  return renderAnswer(result, findingsOf(result), { width, color: false, more }).trimEnd().split('\n');
}

describe('the first screen', () => {
  const lines = linesOf(realisticResult());

  it('is a dozen lines of 80 columns', () => {
    expect(lines.length).toBeLessThanOrEqual(12);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80);
  });

  it('says model, machine, verdict, speed, cost, both ends, prices, and what to do next, in this order', () => {
    const begin = ['smollm2-135m: ', 'AMD EPYC', 'Tokens do not track the CPU time of smollm2-135m'];
    const labels = [
      'Speed: prefill',
      'Cost: ',
      'Overpays most: ',
      'Underpays most: ',
      'Prices: ',
      'Next: ',
      'More: ',
    ];
    const at = [...begin, ...labels].map((start) => lines.findIndex((line) => line.startsWith(start)));
    expect(at).not.toContain(-1);
    expect(at).toEqual([...at].sort((a, b) => a - b));
  });

  it('names no cell by its id', () => {
    expect(lines.join('\n')).not.toMatch(/\bp\d+\/c\d+/);
  });

  it('has a line for each thing that went wrong, the busy machine first', () => {
    const warning = (code: string) => ({ code, message: `${code} `.repeat(20).trim(), hint: 'Hint.' });
    const codes = [
      'oversubscribed',
      'sensor-lost',
      'resumed',
      'tool-changed',
      'throttled',
      'busy-neighbours',
    ];
    const ok = realisticResult();
    const told = linesOf({
      ...ok,
      run: { ...ok.run, complete: false, plannedRequests: 99 },
      requests: [...ok.requests, failedRequest({ id: 99, cell: ok.cells[0]!.id })],
      warnings: codes.map(warning),
    });
    const starting = (start: string) => told.filter((line) => line.startsWith(start));
    expect(starting('The run was cut short: 37 of 99')).toHaveLength(1);
    expect(starting('1 of 37 requests failed')).toHaveLength(1);
    expect(starting('Warning: ').map((line) => line.split(' ')[1])).toEqual([
      'throttled',
      'busy-neighbours',
      'oversubscribed',
      'sensor-lost',
    ]);
    expect(starting('Warning: ').every((line) => line.length <= 80)).toBe(true);
    expect(starting('2 more warnings: see --full.')).toHaveLength(1);
    expect(starting('Next: Finish the run')).toHaveLength(1);
  });

  it('is said of each model, where there are several', () => {
    const one = realisticResult();
    const twin = (name: string) => name.replace('smollm2-135m', 'twin');
    const two = linesOf({
      ...one,
      models: [...one.models, { ...one.models[0]!, id: 'twin' }],
      cells: [...one.cells, ...one.cells.map((cell) => ({ ...cell, id: twin(cell.id), model: 'twin' }))],
      requests: [...one.requests, ...one.requests.map((row) => ({ ...row, cell: twin(row.cell) }))],
    });
    expect(two.filter((line) => /^(smollm2-135m|twin): Speed: /.test(line))).toHaveLength(2);
  });
});

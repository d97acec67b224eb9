import { expect, it } from 'vitest';
import { heldOutRSquared } from '../../stats/regression/held-out.js';
import { fitLinear } from '../../stats/regression/least-squares.js';
import { tableOf } from '../requests/table-builder.js';
import { factorial, simulateResult } from '../simulated-result.test-support.js';
import { sampleBuffer } from './cell-sample.js';
import { totalsOf } from './cell-totals.js';
import { explainedByTariffs } from './explained-by-tariff.js';

it('equals the held-out R² of a general least-squares fit, also under a bootstrap’s weights', () => {
  const cells = factorial([16, 64, 256], [8, 32, 128], (prompt, completion) => 1 + prompt / completion);
  const table = tableOf(simulateResult(cells, { seed: 3, repetitions: 3, noise: 0.3, failures: 0.3 }));
  const totals = totalsOf(table, table.metrics.cpuTime);
  const explained = explainedByTariffs(totals);
  const perRequest = (column: Float64Array) => column.map((value, c) => value / totals.requests[c]!);
  const columns = {
    oneRate: [perRequest(totals.tokens)],
    inputOutput: [perRequest(totals.promptTokens), perRequest(totals.completionTokens)],
    inputOutputFee: [totals.promptTokens, totals.completionTokens, totals.requests].map(perRequest),
  };
  for (const copies of [undefined, Float64Array.from(totals.requests, (_, c) => [2, 0, 1, 3][c % 4]!)]) {
    const sample = sampleBuffer(totals).fill(totals.work, copies);
    const y = perRequest(totals.work);
    for (const tariff of ['oneRate', 'inputOutput', 'inputOutputFee'] as const) {
      const fit = fitLinear(columns[tariff], y, sample.weight)!;
      expect(explained(sample)[tariff]).toBeCloseTo(heldOutRSquared(fit, y, sample.weight)!, 9);
    }
  }
});

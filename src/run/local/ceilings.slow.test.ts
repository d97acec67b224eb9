import { expect, it } from 'vitest';
import { readResult } from '../../core/migrate.js';
import { ShortRuns } from '../testing/short-runs.js';

const runs = new ShortRuns({ completionTokens: [2] }, { ceilings: true, sensors: 'none' });

it('a run has the ceilings of its machine, measured before and after it', async () => {
  const result = await runs.bench();
  expect(result.hardware.ceilings).not.toBeNull();
  expect(result.hardware.ceilings!.gemm.fp32!.value).toBeGreaterThan(0);
  expect(readResult(JSON.parse(JSON.stringify(result)))).toEqual(result);
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { findCounters } from './energy.js';

const directory = mkdtempSync(join(tmpdir(), 'tokenwork-sensors-'));
afterAll(() => rmSync(directory, { recursive: true }));
const present = join(directory, 'energy_uj');
writeFileSync(present, '262143328850\n', { mode: 0o400 });
const missing = join(directory, 'nothing');

it('names a counter that is not there, and why', () => {
  expect(findCounters(missing, missing)).toMatchObject([
    { name: 'rapl', available: false, reason: 'unsupported', hint: expect.stringContaining(missing) },
    { name: 'nvml', available: false, reason: 'unsupported' },
  ]);
});

it('does not call a counter available that is not sampled', () => {
  for (const sensor of findCounters(present, present)) {
    expect(sensor.available).toBe(false);
    expect(sensor.hint).toContain('does not sample');
  }
});

import { totalmem } from 'node:os';
import { expect, it } from 'vitest';
import { hardwareSchema } from '../core/result.js';
import { coresOfQuota, takeInventory } from './inventory.js';

it('describes this machine in the form of the result file', async () => {
  const inventory = await takeInventory();
  const hardware = hardwareSchema.parse(inventory.hardware);
  expect(hardware.memoryBytes).toBe(totalmem());
  expect(hardware.cpu.logicalCores).toBeGreaterThan(0);
  expect(hardware.id).toMatch(new RegExp(`-${hardware.cpu.logicalCores}c-\\d+g$`));
  expect(inventory.usableCores).toBeGreaterThan(0);
  expect(inventory.os).not.toBe('');
});

it('reads the CPU quota of a control group', () => {
  expect(coresOfQuota('max 100000\n')).toBeNull();
  expect(coresOfQuota('250000 100000\n')).toBe(2);
});

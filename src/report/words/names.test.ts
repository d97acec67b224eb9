import { expect, it } from 'vitest';
import { quantityName } from './names.js';

it.each([
  ['cpuTime', 'CPU time'],
  ['smClock', 'SM clock'],
  ['ioStall', 'IO stall'],
  ['involuntarySwitches', 'involuntary switches'],
  ['energy', 'energy'],
])('%s is read as "%s"', (quantity, name) => {
  expect(quantityName(quantity)).toBe(name);
});

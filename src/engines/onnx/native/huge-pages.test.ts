import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { adviseHugePages, hugePagesGranted } from './huge-pages.js';
import { Memory } from './memory.js';

it('changes nothing in memory of any size, aligned or not', () => {
  for (const bytes of [0, 1, 4096, 4 * 2 ** 20, 5 * 2 ** 20 + 12_345]) {
    const memory = new Memory(bytes);
    const before = new Uint8Array(bytes + 1).fill(7);
    adviseHugePages(memory.address, memory.byteLength);
    adviseHugePages(before, before.byteLength);
    expect(memory.bytes(0, bytes).every((byte) => byte === 0)).toBe(true);
    expect(before.every((byte) => byte === 7)).toBe(true);
    memory.release();
  }
});

const setting = '/sys/kernel/mm/transparent_hugepage/enabled';
it.runIf(existsSync(setting))('finds out whether huge pages are granted', () => {
  const isNever = readFileSync(setting, 'utf8').includes('[never]');
  if (isNever) expect(hugePagesGranted()).not.toBe(true);
  else expect(hugePagesGranted()).toBeTypeOf('boolean');
});

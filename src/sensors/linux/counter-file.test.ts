import { describe, expect, it } from 'vitest';
import { openCounterFile, refusal } from './counter-file.js';

describe('refusal', () => {
  it.each([
    ['EACCES', 'permission'],
    ['EPERM', 'permission'],
    ['ENOENT', 'unsupported'],
    ['EIO', 'unsupported'],
    ['EOPNOTSUPP', 'unsupported'],
  ])('takes %s for %s', (code, reason) => {
    expect(refusal(Object.assign(new Error('no'), { code }))).toEqual({ reason, message: 'no' });
  });
});

describe.skipIf(process.platform !== 'linux')('openCounterFile', () => {
  it('sees what the kernel writes anew at every reading', () => {
    const file = openCounterFile('/proc/uptime');
    const idle = () => Number(file.text().split(' ')[1]);
    const before = idle();
    expect(before).toBeGreaterThan(0);
    expect(idle()).toBeGreaterThanOrEqual(before);
    expect(() => file.integer()).toThrow('no count');
    file.close();
  });
});

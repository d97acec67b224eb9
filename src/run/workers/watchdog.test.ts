import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { controlFields } from './protocol.js';
import { watchRequest } from './watchdog.js';

describe('the deadline of a request', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function watch() {
    const control = new Int32Array(controlFields.count);
    const terminate = vi.fn();
    const watching = watchRequest({
      ...{ control, terminate, kill: vi.fn() },
      ...{ deadlineMs: 1000, stallTimeoutMs: 1e9, graceMs: 1e9 },
    });
    return { control, terminate, end: () => watching.end() };
  }

  it('ends one that runs beyond it', () => {
    const { terminate, end } = watch();
    vi.advanceTimersByTime(999);
    expect(terminate).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(terminate).toHaveBeenCalledTimes(1);
    end();
  });

  it('is of each time that a repeated request runs, not of all together', () => {
    const { control, terminate, end } = watch();
    for (let second = 0; second < 5; second++) {
      Atomics.add(control, controlFields.runsDone, 3);
      vi.advanceTimersByTime(1000);
    }
    expect(terminate).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1000);
    expect(terminate).toHaveBeenCalledTimes(1);
    end();
  });
});

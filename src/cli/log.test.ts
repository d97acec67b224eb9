import { describe, expect, it } from 'vitest';
import { tokenwork } from './testing/logged-run.js';

describe('the log', () => {
  it('comes with the stack of an error, and its causes', () => {
    const { status, stderr } = tokenwork(['report', 'none.json', '--verbose']);
    expect(status).toBe(2);
    expect(stderr).toMatch(/\n\s+at .*result-file\.js:\d+/);
    expect(stderr).toMatch(/caused by: /);
  });
});

import { describe, expect, it } from 'vitest';
import { expectLogged, run, tokenwork } from './testing/logged-run.js';

describe('the log', () => {
  it('is turned on by NODE_DEBUG as well', () => {
    const { status, stdout, lines } = tokenwork(run('debug.json'), { NODE_DEBUG: 'fs_events,tokenwork' });
    expect(status).toBe(0);
    expectLogged(stdout, lines);
  });

  it('says nothing unless it is asked for', () => {
    expect(tokenwork(run('quiet.json')).lines).toEqual([]);
  });
});

import { describe, expect, it } from 'vitest';
import { expectLogged, run, tokenwork } from './testing/logged-run.js';

describe('the log', () => {
  it('tells probes, decisions and requests on stderr, of threads too, and leaves the result alone on stdout', () => {
    const { status, stdout, lines } = tokenwork([...run('verbose.json'), '--verbose']);
    expect(status).toBe(0);
    expectLogged(stdout, lines);
    expect(lines.filter((line) => !/^TOKENWORK \d+(\/\d+)? \+\d+\.\d{6} s: \S/.test(line))).toEqual([]);
    expect(lines.find((line) => /^TOKENWORK \d+\/\d+ .*CPU time: \{"method"/.test(line))).toBeDefined();
  });

  it('is turned on by NODE_DEBUG as well', () => {
    const { status, stdout, lines } = tokenwork(run('debug.json'), { NODE_DEBUG: 'fs_events,tokenwork' });
    expect(status).toBe(0);
    expectLogged(stdout, lines);
  });

  it('says nothing unless it is asked for', () => {
    expect(tokenwork(run('quiet.json')).lines).toEqual([]);
  });
});

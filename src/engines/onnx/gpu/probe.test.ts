import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { answerMark, probeDevice } from './probe.js';

const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-probe-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function child(name: string, code: string): string {
  const file = join(scratch, `${name}.mjs`);
  writeFileSync(file, code);
  return file;
}

describe('probing a GPU in a process of its own', () => {
  it('reads the answer between what drivers print', async () => {
    const answer = { error: null, adapters: [] };
    const file = child(
      'chatty',
      `console.log('driver 1.0');console.log('${answerMark}${JSON.stringify(answer)}');console.log('bye')`,
    );
    expect(await probeDevice('webgpu', { file })).toEqual(answer);
  });

  it.each([
    [
      'crashes',
      "console.error('segfault in libGPU');process.kill(process.pid, 'SIGSEGV')",
      /SIGSEGV.*segfault/s,
    ],
    ['throws', "throw new TypeError('no such export')", /TypeError: no such export/],
    ['says nothing', '', /ended the process/],
    ['hangs', 'setInterval(() => {}, 1000)', /did not answer within 0\.5 s/],
  ])('takes a driver that %s for an answer', async (name, code, message) => {
    const { error, adapters } = await probeDevice('cuda', {
      file: child(name.replace(' ', '-'), code),
      timeoutMs: name === 'hangs' ? 500 : 60_000,
    });
    expect(error).toMatchObject({ code: 'device-unavailable', message: expect.stringMatching(message) });
    expect(adapters).toEqual([]);
  });
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { DecoderGraph } from '../../../models/decoder-graph.js';
import {
  answerMark,
  type ComparisonAnswer,
  chooseBackend,
  comparedWithinMs,
  writeAnswer,
} from './choose-backend.js';

const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-back-ends-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const model = { onnxPath: join(scratch, 'absent.onnx'), decoder: {} as DecoderGraph, contextLength: 64 };
const auto = { backend: 'auto', threads: 1 } as const;
function child(name: string, code: string): string {
  const file = join(scratch, `${name}.mjs`);
  writeFileSync(file, code);
  return file;
}
const answers = (answer: ComparisonAnswer) =>
  `console.log(${JSON.stringify(answerMark + writeAnswer(answer))})`;

describe('comparing the back ends of a model', () => {
  it.each([
    ['does not end', 'for (;;);', /did not answer within 0\.5 s/],
    ['crashes', "process.kill(process.pid, 'SIGSEGV')", /ended the process by SIGSEGV/],
  ])('keeps the Node binding, and says so, where the model %s', async (name, code, why) => {
    const file = child(name, code);
    const withinMs = name === 'crashes' ? 60_000 : 500;
    expect(await chooseBackend(model, auto, { withinMs, file })).toMatchObject({
      ...{ backend: 'node', parity: null, reason: expect.stringMatching(why) },
      warnings: [{ code: 'backend-unchecked', message: expect.stringMatching(why) }],
    });
  });

  it('ends at once when it is stopped', async () => {
    const stop = new AbortController();
    const file = child('endless', 'for (;;);');
    const choosing = chooseBackend(model, auto, { withinMs: 600_000, signal: stop.signal, file });
    stop.abort(new Error('stopped'));
    await expect(choosing).rejects.toThrow('stopped');
  });

  it('takes over what was found, a difference without bound too', async () => {
    const parity = {
      identical: false,
      maxAbsDifference: Number.POSITIVE_INFINITY,
      tolerance: 1e-3,
      tokens: 16,
    };
    const choice = { backend: 'node' as const, reason: 'r', parity, warnings: [] };
    const file = child('differs', answers({ choice }));
    expect(await chooseBackend(model, auto, { withinMs: 60_000, file })).toEqual(choice);
  });

  it('throws what opening the model threw', async () => {
    await expect(chooseBackend(model, auto, { withinMs: 60_000 })).rejects.toMatchObject({
      code: 'model-not-found',
    });
  });

  it('has a minute, and longer for a larger model', () => {
    expect(comparedWithinMs(0)).toBe(60_000);
    expect(comparedWithinMs(8e9)).toBe(220_000);
  });
});

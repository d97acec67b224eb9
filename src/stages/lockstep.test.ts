import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Decoder } from '../engines/engine.js';
import { openDecoder } from '../engines/onnx/open-decoder.js';
import { buildModel } from '../models/build/build-model.js';
import { describeDecoder } from '../models/decoder-graph.js';
import { onnxFileName } from '../models/dtype.js';
import { decodeModel } from '../models/onnx/proto.js';
import { loadRecipe } from '../models/recipe.js';
import { lacksShared, sharedPath } from '../shared-files.test-support.js';
import { decode } from './decode.js';
import { chooseRows } from './rows.js';
import { tokenChooser } from './token-choice.js';

const storiesPath = sharedPath('models/stories260K/onnx/model.onnx');
const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-lockstep-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function open(onnxPath: string): Promise<Decoder> {
  const graph = describeDecoder(decodeModel(readFileSync(onnxPath)));
  return openDecoder({ onnxPath, decoder: graph, contextLength: 256 }, { threads: 1, backend: 'auto' });
}

async function built(id: string, graphVariant: 'contrib' | 'standard'): Promise<Decoder> {
  const folder = await buildModel(await loadRecipe(id), {
    dtype: 'fp32',
    graphVariant,
    cacheDirectory: scratch,
  });
  return open(join(folder, 'onnx', onnxFileName('fp32')));
}

/** Greedy completions of prompts of one length, side by side in one batch. */
async function completionsOf(decoder: Decoder, prompts: number[][], completionTokens: number) {
  const choose = tokenChooser({ kind: 'greedy' });
  const capacity = prompts[0]!.length + completionTokens - 1;
  const sequence = decoder.open({ batch: prompts.length, capacity });
  const first = chooseRows(await sequence.step(BigInt64Array.from(prompts.flat(), BigInt)), choose);
  const stop = { endTokenIds: new Set<number>(), completionTokens };
  const { completions } = await decode(sequence, first, choose, stop, () => {});
  sequence.close();
  return completions;
}

const models: [string, () => Promise<Decoder>][] = [
  ...(lacksShared ? [] : [['stories260K', () => open(storiesPath)] as [string, () => Promise<Decoder>]]),
  ['tiny, cache in place', () => built('tiny', 'contrib')],
  ['tiny, cache appended to', () => built('tiny', 'standard')],
  ['a mixture', () => built('tiny-moe', 'contrib')],
];

describe.each(models)('rows of a batch (%s)', (_, openModel) => {
  it('give the tokens that each prompt gives alone, from 2 rows to 32', async () => {
    const decoder = await openModel();
    const prompts = Array.from({ length: 32 }, (_, row) =>
      Array.from({ length: 9 }, (_, i) => 3 + (((i + 1) * 131 + row * 37) % (decoder.vocabulary - 3))),
    );
    const alone: number[][] = [];
    for (const prompt of prompts) alone.push((await completionsOf(decoder, [prompt], 16))[0]!);
    expect(new Set(alone.map(String)).size).toBeGreaterThan(8);
    for (const batch of [2, 3, 8, 32])
      expect(await completionsOf(decoder, prompts.slice(0, batch), 16)).toEqual(alone.slice(0, batch));
    decoder.close();
  });
});

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Decoder } from '../../engines/engine.js';
import { openDecoder } from '../../engines/onnx/open-decoder.js';
import { describeDecoder } from '../../models/decoder-graph.js';
import { readModel } from '../../models/onnx/read-model.js';
import { loadTokenizer, type Tokenizer } from '../../models/tokenizer.js';
import { lacksShared, sharedPath } from '../../shared-files.test-support.js';
import { decode } from '../decode.js';
import { prefill } from '../prefill.js';
import type { Sampling } from '../request-spec.js';
import { fakeDecoder } from '../testing/fake-decoder.js';
import { tokenChooser } from '../token-choice.js';
import { type Draft, promptLookup } from './draft.js';
import { DraftDecoder } from './draft-decoder.js';
import { type Acceptance, type Round, type Speculated, speculate } from './speculate.js';

const verified: Acceptance = { kind: 'verified' };
const greedy: Sampling = { kind: 'greedy' };
const silent = { onDrafted() {}, onVerified() {} };

interface Settings {
  completionTokens: number;
  draftTokens?: number;
  acceptance?: Acceptance;
  endTokenIds?: ReadonlySet<number>;
  sampling?: Sampling;
}

async function speculated(
  decoder: Decoder,
  prompt: readonly number[],
  draftOf: (capacity: number) => Draft,
  settings: Settings,
): Promise<Speculated & { cachedAfter: number }> {
  const { completionTokens, draftTokens = 4, acceptance = verified, endTokenIds = new Set() } = settings;
  const choose = tokenChooser(settings.sampling ?? greedy);
  // Room for not one position more than plain decoding has.
  const sequence = decoder.open({ batch: 1, capacity: prompt.length + completionTokens - 1 });
  const draft = draftOf(prompt.length + completionTokens - 1);
  const [first] = await prefill(sequence, prompt, choose);
  const options = { draftTokens, acceptance, stop: { endTokenIds, completionTokens } };
  const outcome = await speculate(sequence, prompt, first!, choose, draft, options, silent);
  const cachedAfter = sequence.length;
  draft.close();
  sequence.close();
  return { ...outcome, cachedAfter };
}

async function plainly(decoder: Decoder, prompt: readonly number[], settings: Settings): Promise<number[]> {
  const { completionTokens, endTokenIds = new Set() } = settings;
  const choose = tokenChooser(settings.sampling ?? greedy);
  const sequence = decoder.open({ batch: 1, capacity: prompt.length + completionTokens - 1 });
  const first = await prefill(sequence, prompt, choose);
  const { completions } = await decode(sequence, first, choose, { endTokenIds, completionTokens }, () => {});
  sequence.close();
  return completions[0]!;
}

const folder = `${sharedPath('models/stories260K')}/`;

describe.skipIf(lacksShared)('speculative decoding of a trained model', () => {
  let target: Decoder;
  let quantised: Decoder;
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    const open = async (file: string) => {
      const onnxPath = `${folder}onnx/${file}`;
      const model = { onnxPath, decoder: describeDecoder(await readModel(onnxPath)), contextLength: 512 };
      return openDecoder(model, { threads: 1, backend: 'auto' });
    };
    target = await open('model.onnx');
    quantised = await open('model_quantized.onnx');
    tokenizer = await loadTokenizer(folder);
  });
  afterAll(() => {
    for (const decoder of [target, quantised]) decoder.close();
  });

  const prompts = [
    'Once upon a time',
    'Lily and Tom went to the park. Lily and Tom',
    'The little dog was sad because',
    'One day, a big red ball',
  ];
  const drafts = {
    'the model itself': (capacity: number) => new DraftDecoder(target, target, capacity),
    'its quantised variant': (capacity: number) => new DraftDecoder(quantised, target, capacity),
    'prompt lookup': () => promptLookup({ largest: 3, smallest: 1 }),
  };

  it.each(Object.entries(drafts))('gives the tokens of plain decoding, drafted by %s', async (_, draftOf) => {
    for (const prompt of prompts) {
      const ids = [...tokenizer.encode(prompt)];
      const expected = await plainly(target, ids, { completionTokens: 90 });
      for (let draftTokens = 1; draftTokens <= 8; draftTokens++) {
        const outcome = await speculated(target, ids, draftOf, { completionTokens: 90, draftTokens });
        expect(outcome.completion, `${prompt}, ${draftTokens} a round`).toEqual(expected);
        expect(outcome.cachedAfter).toBe(ids.length + 90 - 1);
        // It is no plain decoding under another name: the drafts are taken up.
        expect(outcome.accepted).toBeGreaterThan(0);
        expect(outcome.rounds.length).toBe(90 - 1 - outcome.accepted);
      }
    }
  });

  it('accepts all that the model itself drafts', async () => {
    const ids = [...tokenizer.encode(prompts[0]!)];
    const settings = { completionTokens: 91, draftTokens: 5 };
    const outcome = await speculated(target, ids, drafts['the model itself'], settings);
    expect(outcome).toMatchObject({ drafted: 75, accepted: 75, rejected: 0 });
    expect(outcome.rounds).toHaveLength(90 / (5 + 1));
  });

  it('draws the tokens that plain seeded sampling draws', async () => {
    const ids = [...tokenizer.encode(prompts[2]!)];
    const settings = {
      completionTokens: 60,
      sampling: { kind: 'seeded', temperature: 0.8, topK: 40, seed: 11 } as const,
    };
    const expected = await plainly(target, ids, settings);
    const outcome = await speculated(target, ids, drafts['its quantised variant'], settings);
    expect(outcome.completion).toEqual(expected);
    expect(outcome.rejected).toBeGreaterThan(0);
  });
});

/** A draft that is right with its first `right` tokens and wrong after, against a fake that counts up. */
function draftRightFor(right: number): Draft {
  return {
    steps: [],
    kvBytes: 0,
    propose: async (context, count) =>
      Array.from({ length: count }, (_, i) => (context.at(-1)! + 1 + i + (i < right ? 0 : 7)) % 50),
    close() {},
  };
}

describe('speculative decoding', () => {
  it('computes guesses in one pass and drops the wrong ones from the cache', async () => {
    const decoder = fakeDecoder();
    const outcome = await speculated(decoder, [1, 2, 3], () => draftRightFor(2), { completionTokens: 7 });
    expect(outcome.completion).toEqual([4, 5, 6, 7, 8, 9, 10]);
    expect(decoder.steps).toEqual([
      [1, 2, 3],
      [4, 5, 6, 14, 15],
      [7, 8, 9],
    ]);
    expect(outcome.targetSteps).toEqual([
      { batch: 1, newTokens: 5, pastTokens: 3 },
      { batch: 1, newTokens: 3, pastTokens: 6 },
    ]);
    expect(outcome).toMatchObject({ drafted: 4 + 2, accepted: 4, rejected: 2, cachedAfter: 3 + 6 });
  });

  it('feeds its draft what is new, and takes back what was wrong', async () => {
    // The draft adds 2 after a 6, where the target adds 1.
    const model = fakeDecoder({ next: (id) => (id === 6 ? 8 : id + 1) });
    const outcome = await speculated(
      fakeDecoder(),
      [1, 2, 3],
      (capacity) => new DraftDecoder(model, fakeDecoder(), capacity),
      { completionTokens: 10, draftTokens: 3 },
    );
    expect(outcome.completion).toEqual([4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    expect(model.steps).toEqual([[1, 2, 3, 4], [5], [6], [7], [8], [9], [10, 11]]);
    expect(outcome.draftSteps).toEqual([
      { batch: 1, newTokens: 4, pastTokens: 0 },
      { batch: 1, newTokens: 1, pastTokens: 4 },
      { batch: 1, newTokens: 1, pastTokens: 5 },
      { batch: 1, newTokens: 1, pastTokens: 6 },
      { batch: 1, newTokens: 1, pastTokens: 7 },
      { batch: 1, newTokens: 1, pastTokens: 8 },
      { batch: 1, newTokens: 2, pastTokens: 9 },
    ]);
    expect(model.openSequences).toBe(0);
  });

  it('is plain decoding in its tokens, whatever the draft, the lengths and the end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 0, max: 9 }),
        fc.integer({ min: 4, max: 40 }),
        async (completionTokens, draftTokens, right, end) => {
          const endTokenIds = new Set([end]);
          const settings = { completionTokens, draftTokens, endTokenIds };
          const expected = await plainly(fakeDecoder(), [1, 2, 3], settings);
          const outcome = await speculated(fakeDecoder(), [1, 2, 3], () => draftRightFor(right), settings);
          expect(outcome.completion).toEqual(expected);
          expect(outcome.cachedAfter).toBe(3 + expected.length - 1);
          const sum = (count: (round: Round) => number) =>
            outcome.rounds.reduce((total, round) => total + count(round), 0);
          expect(sum(({ tokens }) => tokens)).toBe(expected.length - 1);
          expect(outcome.targetSteps.reduce((total, { newTokens }) => total + newTokens, 0)).toBe(
            outcome.drafted + outcome.rounds.length,
          );
          // What the target computed is what the completion holds, what was dropped, and nothing else.
          expect(outcome.accepted + outcome.rejected).toBe(outcome.drafted);
        },
      ),
    );
  });

  it.each([0, 0.5, 0.8, 1])('accepts at a set rate of %d, by its seed', async (probability) => {
    const settings = (seed: number) => ({
      completionTokens: 4000,
      draftTokens: 4,
      acceptance: { kind: 'set', probability, seed } as const,
    });
    const run = (seed: number) =>
      speculated(fakeDecoder({ contextLength: 5000 }), [1], () => draftRightFor(0), settings(seed));
    const outcome = await run(3);
    expect(outcome.completion).toHaveLength(4000);
    expect(await run(3)).toEqual(outcome);
    // Expected tokens a round of k drafts: 1 + α + … + α^k (Leviathan et al., equation 1).
    const expected = [0, 1, 2, 3, 4].reduce((sum, power) => sum + probability ** power, 0);
    const perRound = outcome.rounds.reduce((sum, { tokens }) => sum + tokens, 0) / outcome.rounds.length;
    // Six standard errors; a round adds 1 to 5 tokens, so its deviation is at most 2.
    expect(Math.abs(perRound - expected)).toBeLessThanOrEqual((6 * 2) / Math.sqrt(outcome.rounds.length));
    if (probability > 0 && probability < 1) expect((await run(4)).rounds).not.toEqual(outcome.rounds);
  });

  it('tells its observer of every half of a round', async () => {
    const sequence = fakeDecoder().open({ batch: 1, capacity: 100 });
    await prefill(sequence, [1, 2, 3], tokenChooser(greedy));
    const seen: string[] = [];
    await speculate(
      sequence,
      [1, 2, 3],
      4,
      tokenChooser(greedy),
      draftRightFor(1),
      { draftTokens: 2, acceptance: verified, stop: { endTokenIds: new Set(), completionTokens: 5 } },
      {
        onDrafted: () => seen.push('drafted'),
        onVerified: ({ drafted, accepted, tokens }) => seen.push(`${accepted} of ${drafted}, ${tokens}`),
      },
    );
    expect(seen).toEqual(['drafted', '1 of 2, 2', 'drafted', '1 of 1, 2']);
  });

  it('refuses what it cannot do, saying so', async () => {
    const choose = tokenChooser(greedy);
    const stop = { endTokenIds: new Set<number>(), completionTokens: 5 };
    const start = (batch: number, draftTokens: number, acceptance: Acceptance) => {
      const sequence = fakeDecoder().open({ batch, capacity: 100 });
      const options = { draftTokens, acceptance, stop };
      return speculate(sequence, [1], 2, choose, draftRightFor(0), options, silent);
    };
    await expect(start(2, 4, verified)).rejects.toMatchObject({ code: 'speculation-batch' });
    for (const draftTokens of [0, 1.5, Number.NaN])
      await expect(start(1, draftTokens, verified)).rejects.toMatchObject({ code: 'bad-speculation' });
    for (const probability of [-0.1, 1.1, Number.NaN])
      await expect(start(1, 4, { kind: 'set', probability, seed: 1 })).rejects.toMatchObject({
        code: 'bad-speculation',
      });
    const other = fakeDecoder({ vocabulary: 51 });
    expect(() => new DraftDecoder(other, fakeDecoder(), 10)).toThrow(
      expect.objectContaining({ code: 'draft-vocabulary' }),
    );
    const lastOnly = fakeDecoder().open({ batch: 1, capacity: 100 });
    const step = lastOnly.step.bind(lastOnly);
    lastOnly.step = (ids) => step(ids, 'last');
    await expect(
      speculate(
        lastOnly,
        [1],
        2,
        choose,
        draftRightFor(0),
        { draftTokens: 2, acceptance: verified, stop },
        silent,
      ),
    ).rejects.toMatchObject({ code: 'all-logits-unavailable' });
  });
});

describe('prompt lookup', () => {
  const { propose } = promptLookup({ largest: 3, smallest: 1 });

  it.each([
    ['the longest ending that stood before', [1, 2, 3, 9, 8, 2, 3, 7, 1, 2, 3], 3, [9, 8, 2]],
    ['of its occurrences the latest', [5, 1, 5, 2, 6, 5], 1, [2]],
    ['fewer where no more follow', [4, 4], 5, [4]],
    ['nothing that is new', [1, 2, 3], 4, []],
    ['nothing of a context of one', [1], 4, []],
  ])('guesses %s', async (_, context, count, guess) => {
    expect(await propose(context, count)).toEqual(guess);
  });
});

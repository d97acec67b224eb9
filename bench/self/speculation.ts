import { openDecoder } from '#tokenwork/engines/onnx/open-decoder.js';
import type { Dtype } from '#tokenwork/models/dtype.js';
import { resolveModel } from '#tokenwork/models/resolve.js';
import { decode } from '#tokenwork/stages/decode.js';
import { DraftDecoder } from '#tokenwork/stages/speculative/draft-decoder.js';
import { speculate } from '#tokenwork/stages/speculative/speculate.js';
import { tokenChooser } from '#tokenwork/stages/token-choice.js';
import { alternatingRatios, summarise } from './alternate.js';
import { promptIds, secondsOf } from './decoding.js';
import type { Figure, Measured } from './figure.js';
import { smolLm2 } from './models.js';

const promptTokens = 128;
const completionTokens = 96;
const stop = { endTokenIds: new Set<number>(), completionTokens };

/**
 * Five positions at once cost little more than one where reading the weights is what takes the time, as in
 * fp32; a q4 step reads an eighth of that and is bound by its arithmetic sooner.
 */
export const speculation: Figure[] = (['fp32', 'q4'] as const).map((dtype) => ({
  id: `speculation-${dtype}`,
  what: `decode tokens/s, SmolLM2-135M ${dtype} with a draft of 8% of its size, 4 drafts, acceptance set to 0.8: speculative ÷ plain`,
  target: 1.5,
  comparison: '>=',
  measure: (say) => speculativeOverPlain(dtype, say),
}));

/** Both are decoded after a prefill that is not timed; the draft's own reading of the prompt is. */
async function speculativeOverPlain(dtype: Dtype, say: (text: string) => void): Promise<Measured> {
  const [target, small] = [await smolLm2(dtype), await resolveModel('draft-11m', { dtype })];
  const decoder = await openDecoder(target, { threads: 1, backend: 'native' });
  const drafter = await openDecoder(small, { threads: 1, backend: 'native' });
  const prompt = [...promptIds(promptTokens, target.vocabulary)].map(Number);
  const choose = tokenChooser({ kind: 'greedy' });
  const sequence = decoder.open({ batch: 1, capacity: promptTokens + completionTokens - 1 });
  await sequence.step(BigInt64Array.from(prompt, BigInt));
  const first = 5;
  const perRound: number[] = [];
  let seed = 0;
  const plainRate = async () => {
    sequence.truncate(promptTokens);
    return completionTokens / (await secondsOf(() => decode(sequence, [first], choose, stop, () => {})));
  };
  const speculativeRate = async () => {
    sequence.truncate(promptTokens);
    const draft = new DraftDecoder(drafter, target, promptTokens + completionTokens);
    const acceptance = { kind: 'set', probability: 0.8, seed: ++seed } as const;
    const options = { draftTokens: 4, acceptance, stop };
    const silent = { onDrafted: () => {}, onVerified: () => {} };
    const seconds = await secondsOf(async () => {
      const outcome = await speculate(sequence, prompt, first, choose, draft, options, silent);
      perRound.push((completionTokens - 1) / outcome.rounds.length);
    });
    draft.close();
    return completionTokens / seconds;
  };
  try {
    const measured = summarise(await alternatingRatios(8, speculativeRate, plainRate));
    const mean = perRound.reduce((sum, tokens) => sum + tokens, 0) / perRound.length;
    say(
      `${(small.cost.parameters / target.cost.parameters).toPrecision(2)} of the target's parameters; ${mean.toPrecision(3)} tokens a round`,
    );
    return measured;
  } finally {
    sequence.close();
    for (const opened of [decoder, drafter]) opened.close();
  }
}

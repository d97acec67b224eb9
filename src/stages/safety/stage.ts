import { idsOf } from '../context.js';
import type { LoadedEncoder, LoadedModel } from '../loaded-model.js';
import { nameOf, type PolicyOf, type StageDraw } from '../pipeline.js';
import { prefill } from '../prefill.js';
import type { RequestState } from '../request.js';
import { tokenChooser } from '../token-choice.js';
import { rowTexts, tokenizerOf } from '../tokenization.js';

/**
 * Checks the prompt or the completion: a word list, then a classifier, then a language model that reads it
 * once more, where the policy says so. What the classifier answers decides nothing, as random weights know
 * nothing of harm: beside the word list, the workload flags requests at a rate, and the ledger says which
 * of them did. The verification is a stage of its own, there even if it did not take place. Every row of a
 * batch is checked by itself, and what the workload flags it flags in all of them.
 */
export async function runSafety(policy: PolicyOf<'safety'>, state: RequestState): Promise<void> {
  const { pipeline, resources, ledger } = state;
  const name = nameOf(policy);
  const draw = pipeline.drawn[name] ?? {};
  const texts = checkedTexts(policy, state);
  const matched = texts.map((text) => resources.matchesWordList(text));
  const classifier =
    policy.classifier === null ? null : resources.encoder(pipeline.models[policy.classifier]!);
  let classified = 0;
  for (const text of texts) classified += classifier ? await classify(text, classifier, state) : 0;
  const byWordList = matched.includes(true);
  const flagged = byWordList || draw.flagged === true;
  ledger.close({
    name,
    type: 'safety',
    visible: false,
    tokens: classified,
    billed: 0,
    model: classifier?.id ?? null,
    detail: { flagged, ...(flagged && { flaggedBy: byWordList ? 'word list' : 'workload' }) },
  });
  if (policy.verifier === null || policy.verify === 'never') return;
  const verifier =
    policy.verifier === 'chat' ? state.chat : resources.decoder(pipeline.models[policy.verifier]!);
  const read = texts.filter((_, row) => isVerified(policy, matched[row]! || draw.flagged === true, draw));
  const verified = read.length > 0;
  let tokens = 0;
  for (const text of read) tokens += await verify(text, policy, verifier, state);
  ledger.close({
    name: `${name}: verification`,
    type: 'safety',
    visible: false,
    tokens,
    billed: 0,
    ...(!verified ? { model: null } : policy.verifier !== 'chat' && { model: verifier.id }),
    detail: { verified },
  });
}

function isVerified({ verify }: PolicyOf<'safety'>, flagged: boolean, { sampled }: StageDraw): boolean {
  return (
    verify === 'always' ||
    (verify === 'when-flagged' && flagged) ||
    (verify === 'sampled' && sampled === true)
  );
}

/** One for each row of a batch. Throws TokenworkError `tokenizer-missing` where the prompt is mere ids. */
function checkedTexts(policy: PolicyOf<'safety'>, { input, chat, completions }: RequestState): string[] {
  if (policy.on === 'prompt') return rowTexts(input);
  const { decode } = tokenizerOf(chat.tokenizer);
  return completions.map((ids) => decode(ids));
}

/** Reads the text in windows of the classifier's context. Returns the positions it evaluated. */
async function classify(text: string, classifier: LoadedEncoder, { meter }: RequestState): Promise<number> {
  const { encoder, cost, tokenizer } = classifier;
  let positions = 0;
  for (const window of windowsOf(tokenizer.encode(text), encoder.contextLength)) {
    await encoder.classify([window]);
    meter.passed(cost, { batch: 1, newTokens: window.length, pastTokens: 0 });
    positions += window.length;
  }
  return positions;
}

/** Pieces of a text's ids that fit the context, each with the special tokens that begin and end the whole. */
export function windowsOf(ids: readonly number[], contextLength: number): number[][] {
  if (ids.length <= contextLength) return [[...ids]];
  const [first, last] = [ids[0]!, ids.at(-1)!];
  const inner = ids.slice(1, -1);
  const size = contextLength - 2;
  return Array.from({ length: Math.ceil(inner.length / size) }, (_, window) => [
    first,
    ...inner.slice(window * size, (window + 1) * size),
    last,
  ]);
}

/** Has a language model read its instructions and the text, and write a verdict. Returns its positions. */
async function verify(
  text: string,
  policy: PolicyOf<'safety'>,
  verifier: LoadedModel,
  state: RequestState,
): Promise<number> {
  const { decoder, tokenizer } = verifier;
  const instructions = idsOf({ ...state, chat: verifier }, 'instructions', policy.instructionTokens);
  const fitting = decoder.contextLength - instructions.length - policy.verdictTokens;
  const read = [...instructions, ...tokenizerOf(tokenizer).encode(text).slice(0, fitting)];
  const sequence = state.meter.open(verifier, { batch: 1, capacity: read.length + policy.verdictTokens - 1 });
  const choose = tokenChooser({ kind: 'greedy' });
  let [token] = await prefill(sequence, read, choose);
  for (let verdict = 1; verdict < policy.verdictTokens; verdict++) {
    [token] = await prefill(sequence, [token!], choose);
  }
  sequence.close();
  return read.length + policy.verdictTokens;
}

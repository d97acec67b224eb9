import { idsOf } from '../context.js';
import type { LoadedEncoder } from '../loaded-model.js';
import { nameOf, type PolicyOf } from '../pipeline.js';
import type { RequestState } from '../request.js';
import { windowsOf } from '../safety/stage.js';
import { rowTexts } from '../tokenization.js';
import { searchCost, type VectorIndex } from './vector-index.js';

/**
 * Embeds the prompt, searches the stored pieces of history for its nearest neighbours, and keeps their
 * tokens for prefill to put before the prompt, for each row of a batch by itself. The history is synthetic,
 * and so are its pieces; the pass over the prompt and the search are those of any.
 */
export async function runRetrieval(policy: PolicyOf<'retrieval'>, state: RequestState): Promise<void> {
  const { pipeline, resources, ledger, meter } = state;
  const name = nameOf(policy);
  if (policy.top === 0) {
    ledger.close({ name, type: 'retrieval', visible: false, tokens: 0, billed: 0, model: null });
    return;
  }
  const embedder = resources.encoder(pipeline.models[policy.embedder]!);
  const { encoder, cost, tokenizer } = embedder;
  const history = historyOf(policy, embedder, state);
  const rows: number[][] = [];
  let tokens = 0;
  let retrieved = 0;
  for (const text of rowTexts(state.input)) {
    // A query longer than the encoder reads is cut off, as embedding models do.
    const query = windowsOf(tokenizer.encode(text), encoder.contextLength)[0]!;
    const vector = await encoder.embed([query]);
    meter.passed(cost, { batch: 1, newTokens: query.length, pastTokens: 0 });
    const found = history.search(vector, policy.top);
    ledger.compute(searchCost(history.size, history.dimensions));
    rows.push(found.flatMap(({ id }) => idsOf(state, 'pieces', policy.pieceTokens, id)));
    tokens += query.length;
    retrieved += found.length;
  }
  const [ids, ...otherRows] = rows as [number[], ...number[][]];
  state.retrieved = { ids, otherRows, billed: policy.billed, stage: name };
  ledger.close({
    name,
    type: 'retrieval',
    visible: false,
    tokens,
    billed: 0,
    model: embedder.id,
    detail: { searched: history.size, retrieved, retrievedTokens: rows.length * ids.length },
  });
}

/** Makes the history before anything is measured. Returns whether there was anything to do. */
export function prepareHistory(
  policy: PolicyOf<'retrieval'>,
  state: Pick<RequestState, 'pipeline' | 'resources'>,
): boolean {
  const { resources, pipeline } = state;
  if (policy.top === 0) return false;
  const before = resources.histories;
  historyOf(policy, resources.encoder(pipeline.models[policy.embedder]!), state);
  return resources.histories > before;
}

function historyOf(
  { vectors }: PolicyOf<'retrieval'>,
  { encoder }: LoadedEncoder,
  { resources, pipeline }: Pick<RequestState, 'pipeline' | 'resources'>,
): VectorIndex {
  return resources.history({ dimensions: encoder.size, vectors, seed: pipeline.seed });
}

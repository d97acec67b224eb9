import { monotonicClock } from '#tokenwork/core/clock.js';
import type { Decoder } from '#tokenwork/engines/engine.js';
import { ortApi } from '#tokenwork/engines/onnx/native/api.js';
import { openDecoder } from '#tokenwork/engines/onnx/open-decoder.js';
import { loadTokenizer } from '#tokenwork/models/tokenizer.js';
import type { LoadedModel } from '#tokenwork/stages/loaded-model.js';
import { runRequest } from '#tokenwork/stages/run-request.js';
import { summarise } from './alternate.js';
import { promptIds } from './decoding.js';
import type { Figure, Measured } from './figure.js';
import { smolLm2 } from './models.js';

const promptTokens = 128;
const completionTokens = 64;

export const requestOverhead: Figure = {
  id: 'request-overhead',
  what: 'time of a request outside ONNX Runtime’s Run ÷ E2E, SmolLM2-135M q4, 128+64 (tokenizing, sampling, bookkeeping)',
  target: 0.015,
  comparison: '<=',
  async measure() {
    const model = await smolLm2('q4');
    const decoder = await openDecoder(model, { threads: 1, backend: 'native' });
    return shareOutside({ ...model, decoder }, model.directory, (timed) => {
      const api = ortApi();
      const { run } = api;
      api.run = (...call) => timed(() => run(...call));
      return () => {
        api.run = run;
      };
    });
  },
};

type Timed = <Result>(call: () => Result) => Result;

/** The share of a request's time outside a native function, which `watch` has timed until what it returns is called. */
export async function shareOutside(
  model: Omit<LoadedModel, 'tokenizer'> & { decoder: Decoder },
  tokenizerDirectory: string,
  watch: (timed: Timed) => () => void,
): Promise<Measured> {
  const { decoder } = model;
  const tokenizer = await loadTokenizer(tokenizerDirectory);
  // A text whose ids are exactly as many as wanted, so that the tokenizer's work is in the figure.
  const text = tokenizer.decode([...promptIds(promptTokens, decoder.vocabulary)].map(Number));
  let insideNs = 0;
  const unwatch = watch((call) => {
    const begin = process.hrtime.bigint();
    const result = call();
    insideNs += Number(process.hrtime.bigint() - begin);
    return result;
  });
  const shares: number[] = [];
  try {
    for (let round = 0; round < 6; round++) {
      insideNs = 0;
      const outcome = await runRequest(
        {
          prompt: { kind: 'text', text },
          completionTokens,
          batch: 1,
          stop: 'forced',
          sampling: { kind: 'greedy' },
          deadlineNs: null,
        },
        { ...model, tokenizer },
        { clock: monotonicClock(), cpuTime: null },
        { stopRequested: () => false, onStep: () => {} },
      );
      if (outcome.status !== 'ok') throw new Error(outcome.message);
      const e2eNs = outcome.times.lastToken - outcome.times.started;
      if (round > 0) shares.push(1 - insideNs / e2eNs);
    }
  } finally {
    unwatch();
    decoder.close();
  }
  return summarise(shares);
}

import { openDecoder } from '#tokenwork/engines/onnx/open-decoder.js';
import { alternatingRatios, summarise } from './alternate.js';
import { promptIds, secondsOf } from './decoding.js';
import type { Figure } from './figure.js';
import { smolLm2 } from './models.js';

const contextTokens = 128;
const newTokens = 32;
const rows = 8;

export const batchDecode: Figure = {
  id: 'batch-8-decode',
  what: 'decode tokens/s, SmolLM2-135M q4, 2 threads, 128 tokens of context: batch 8 ÷ batch 1',
  target: 2.5,
  comparison: '>=',
  async measure() {
    const model = await smolLm2('q4');
    const decoder = await openDecoder(model, { threads: 2, backend: 'native' });
    const sequenceOf = async (batch: number) => {
      const sequence = decoder.open({ batch, capacity: contextTokens + newTokens });
      await sequence.step(promptIds(batch * contextTokens, model.vocabulary));
      return sequence;
    };
    const [single, batch] = [await sequenceOf(1), await sequenceOf(rows)];
    const rateOf = async (sequence: typeof single) => {
      const tokens = promptIds(sequence.batch, model.vocabulary);
      sequence.truncate(contextTokens);
      const seconds = await secondsOf(async () => {
        for (let i = 0; i < newTokens; i++) await sequence.step(tokens);
      });
      return (sequence.batch * newTokens) / seconds;
    };
    try {
      return summarise(
        await alternatingRatios(
          8,
          () => rateOf(batch),
          () => rateOf(single),
        ),
      );
    } finally {
      for (const sequence of [single, batch]) sequence.close();
      decoder.close();
    }
  },
};

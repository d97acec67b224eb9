import { bytesOf, memoryTrafficOf } from '#tokenwork/core/cost.js';
import { measureCeilings } from '#tokenwork/engines/onnx/ceilings.js';
import { openDecoder } from '#tokenwork/engines/onnx/open-decoder.js';
import { summarise } from './alternate.js';
import { decodeRate, sequenceAfter } from './decoding.js';
import type { Figure } from './figure.js';
import { smolLm2 } from './models.js';

const threads = 2;
const contextTokens = 128;
const newTokens = 24;

export const memoryTraffic: Figure = {
  id: 'decode-mbu',
  what: 'decode memory traffic ÷ streaming read bandwidth (MBU), SmolLM2-135M fp32, 2 threads',
  target: 0.8,
  comparison: '>=',
  async measure(say) {
    const model = await smolLm2('fp32');
    const decoder = await openDecoder(model, { threads, backend: 'native' });
    const sequence = await sequenceAfter(decoder, contextTokens, newTokens);
    const utilisations: number[] = [];
    for (let round = 0; round < 5; round++) {
      const tokensPerSecond = await decodeRate(sequence, contextTokens, newTokens);
      const { memoryBandwidth } = await measureCeilings({ threads, dtypes: [] });
      if (memoryBandwidth === null) throw new Error('this machine’s memory bandwidth could not be measured');
      const pastTokens = contextTokens + newTokens / 2;
      const bytes = memoryTrafficOf(bytesOf(model.cost, { batch: 1, newTokens: 1, pastTokens }));
      say(
        `${tokensPerSecond.toFixed(1)} tokens/s × ${(bytes / 1e6).toFixed(0)} MB against ${(memoryBandwidth.value / 1e9).toFixed(1)} GB/s`,
      );
      utilisations.push((tokensPerSecond * bytes) / memoryBandwidth.value);
    }
    sequence.close();
    decoder.close();
    return summarise(utilisations);
  },
};

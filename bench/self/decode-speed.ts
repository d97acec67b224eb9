import { resolve } from 'node:path';
import { AutoModelForCausalLM, env, LogitsProcessorList, Tensor } from '@huggingface/transformers';
import { openDecoder } from '#tokenwork/engines/onnx/open-decoder.js';
import { alternatingRatios, summarise } from './alternate.js';
import { decodeRate, promptIds, secondsOf, sequenceAfter } from './decoding.js';
import type { Figure, Measured } from './figure.js';
import { smolLm2 } from './models.js';

const threads = 2;
const newTokens = 32;

/** Decode speed of the native back end against the two other ways of running the same folder in Node. */
export const decodeSpeed: Figure[] = [
  {
    id: 'native-over-node-128',
    what: 'decode tokens/s, SmolLM2-135M q4, 2 threads, 128 tokens of context: native ÷ Node binding',
    target: 1.6,
    comparison: '>=',
    measure: () => nativeOverNode(128),
  },
  {
    id: 'native-over-node-1024',
    what: 'the same at 1,024 tokens of context',
    target: 2.0,
    comparison: '>=',
    measure: () => nativeOverNode(1024),
  },
  {
    id: 'native-over-transformers-js',
    what: 'decode tokens/s, SmolLM2-135M q4, 2 threads, 128 tokens of context: native ÷ transformers.js generate',
    target: 1.8,
    comparison: '>=',
    measure: nativeOverTransformersJs,
  },
];

async function nativeOverNode(contextTokens: number): Promise<Measured> {
  const model = await smolLm2('q4');
  const native = await openDecoder(model, { threads, backend: 'native' });
  const node = await openDecoder(model, { threads, backend: 'node' });
  const rateOf = async (decoder: typeof native) => {
    const sequence = await sequenceAfter(decoder, contextTokens, newTokens);
    const rate = await decodeRate(sequence, contextTokens, newTokens);
    sequence.close();
    return rate;
  };
  try {
    return summarise(
      await alternatingRatios(
        6,
        () => rateOf(native),
        () => rateOf(node),
      ),
    );
  } finally {
    native.close();
    node.close();
  }
}

/**
 * `generate` is timed from its first to its last token: the difference of a long and a one-token
 * generation of the same prompt, so that the prefill, which both pay, falls out.
 */
async function nativeOverTransformersJs(say: (text: string) => void): Promise<Measured> {
  const model = await smolLm2('q4');
  env.allowRemoteModels = false;
  env.localModelPath = resolve(model.directory, '..');
  const generator = await AutoModelForCausalLM.from_pretrained(model.directory, {
    dtype: 'q4',
    device: 'cpu',
    local_files_only: true,
    session_options: { intraOpNumThreads: threads, interOpNumThreads: 1 },
  });
  const ids = promptIds(128, model.vocabulary);
  const inputs = {
    input_ids: new Tensor('int64', ids, [1, ids.length]),
    attention_mask: new Tensor('int64', new BigInt64Array(ids.length).fill(1n), [1, ids.length]),
  };
  const generate = (tokens: number) =>
    secondsOf(() =>
      generator.generate({
        ...inputs,
        min_new_tokens: tokens,
        max_new_tokens: tokens,
        do_sample: false,
        logits_processor: new LogitsProcessorList(),
      } as never),
    );
  const native = await openDecoder(model, { threads, backend: 'native' });
  const sequence = await sequenceAfter(native, ids.length, newTokens);
  try {
    const measured = summarise(
      await alternatingRatios(
        6,
        () => decodeRate(sequence, ids.length, newTokens),
        async () => newTokens / ((await generate(newTokens + 1)) - (await generate(1))),
      ),
    );
    say('transformers.js 4, onnxruntime-node, device cpu, its own KV cache handling');
    return measured;
  } finally {
    sequence.close();
    native.close();
    await generator.dispose();
  }
}

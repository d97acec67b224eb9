import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Decoder } from '#tokenwork/engines/engine.js';
import { LlamaDecoder } from '#tokenwork/engines/llama/decoder.js';
import { llamaApi } from '#tokenwork/engines/llama/library.js';
import { openDecoder } from '#tokenwork/engines/onnx/open-decoder.js';
import { resolveGguf } from '#tokenwork/models/gguf/resolve.js';
import { alternatingRatios, summarise } from './alternate.js';
import { attributedShare } from './cpu-attribution.js';
import { decodeRate, promptIds, secondsOf, sequenceAfter } from './decoding.js';
import type { Figure, Measured } from './figure.js';
import { smolLm2 } from './models.js';
import { hitToMiss, hitToStep } from './prefix-cache.js';
import { shareOutside } from './request-overhead.js';

const promptTokens = 128;
const newTokens = 64;
const rounds = 6;
const what = 'SmolLM2-135M, Q4_0';

const gguf = () => resolveGguf('smollm2-135m', { dtype: 'q4' });

async function open(threads: number): Promise<LlamaDecoder> {
  const model = await gguf();
  return new LlamaDecoder(
    { ...model, kvBytesPerPosition: model.cost.kvBytesPerToken },
    { threads, device: 'cpu' },
  );
}

async function withLlama(
  threads: number,
  use: (decoder: LlamaDecoder) => Promise<Measured>,
): Promise<Measured> {
  const decoder = await open(threads);
  try {
    return await use(decoder);
  } finally {
    decoder.close();
  }
}

/** The engine of llama.cpp, held against llama.cpp's own benchmark and against the other engine. */
export const llama: Figure[] = [
  ...[1, 2].flatMap((threads): Figure[] => [
    {
      id: `llama-prefill-over-llama-bench-${threads}`,
      what: `prefill tokens/s, ${promptTokens} tokens, ${what}, ${threads} ${threads === 1 ? 'thread' : 'threads'}: tokenwork ÷ llama-bench`,
      target: 0.97,
      comparison: '>=',
      unavailable: () => whyNoTools(),
      measure: (say) => overLlamaBench('prefill', threads, say),
    },
    {
      id: `llama-decode-over-llama-bench-${threads}`,
      what: `the same, decode of ${newTokens} tokens`,
      target: 0.97,
      comparison: '>=',
      unavailable: () => whyNoTools(),
      measure: (say) => overLlamaBench('decode', threads, say),
    },
  ]),
  {
    id: 'llama-request-overhead',
    what: `time of a request outside llama_decode ÷ E2E, ${what}, 128+64`,
    target: 0.015,
    comparison: '<=',
    async measure() {
      const model = await gguf();
      const decoder = await open(1);
      return shareOutside({ ...model, decoder }, model.tokenizerDirectory!, (timed) => {
        const api = llamaApi();
        const { decode } = api;
        api.decode = (...call) => timed(() => decode(...call));
        return () => {
          api.decode = decode;
        };
      });
    },
  },
  {
    id: 'llama-cpu-attributed',
    what: 'CPU time attributed to 2 concurrent requests ÷ process CPU time over the same window, llama.cpp, 1 thread each',
    target: [0.97, 1.01],
    comparison: 'within',
    measure: (say) => attributedShare('llama', say),
  },
  {
    id: 'llama-prefix-cache-hit',
    what: `time to first token, 1,024 cached tokens + 16 new, ${what}: prefix cache hit ÷ miss`,
    target: 0.04,
    comparison: '<=',
    measure: () => withLlama(1, async (decoder) => summarise(await hitToMiss(decoder, 4))),
  },
  {
    id: 'llama-prefix-cache-hit-over-step',
    what: 'the same hit ÷ the step of its 16 new tokens after 1,024 of the sequence’s own',
    target: 1.05,
    comparison: '<=',
    measure: () => withLlama(1, async (decoder) => summarise(await hitToStep(decoder, 20))),
  },
  {
    id: 'onnx-over-llama-prefill',
    what: 'prefill tokens/s, 128 tokens, SmolLM2-135M, 1 thread: ONNX q4 ÷ llama.cpp Q4_0',
    target: 0.9,
    comparison: '>=',
    measure: () => onnxOverLlama((decoder) => prefillRate(decoder)),
  },
  ...[128, 1024].map(
    (context): Figure => ({
      id: `onnx-over-llama-decode-${context}`,
      what: `decode tokens/s at ${context.toLocaleString('en')} tokens of context, the same`,
      target: 0.9,
      comparison: '>=',
      measure: () =>
        onnxOverLlama(async (decoder) => {
          const sequence = await sequenceAfter(decoder, context, newTokens);
          const rate = await decodeRate(sequence, context, newTokens);
          sequence.close();
          return rate;
        }),
    }),
  ),
];

async function prefillRate(decoder: Decoder): Promise<number> {
  const sequence = decoder.open({ batch: 1, capacity: promptTokens });
  const ids = promptIds(promptTokens, decoder.vocabulary);
  const seconds = await secondsOf(() => sequence.step(ids));
  sequence.close();
  return promptTokens / seconds;
}

async function onnxOverLlama(rateOf: (decoder: Decoder) => Promise<number>): Promise<Measured> {
  const onnx = await openDecoder(await smolLm2('q4'), { threads: 1, backend: 'native' });
  try {
    return await withLlama(1, async (decoder) =>
      summarise(
        await alternatingRatios(
          rounds,
          () => rateOf(onnx),
          () => rateOf(decoder),
        ),
      ),
    );
  } finally {
    onnx.close();
  }
}

/** llama-bench decodes from an empty cache. */
async function overLlamaBench(
  phase: 'prefill' | 'decode',
  threads: number,
  say: (text: string) => void,
): Promise<Measured> {
  const { paths } = await gguf();
  const asked =
    phase === 'prefill' ? ['-p', `${promptTokens}`, '-n', '0'] : ['-p', '0', '-n', `${newTokens}`];
  const theirs = async () => {
    const { stdout } = spawnSync(
      `${llamaTools()}/llama-bench`,
      ['-m', paths[0]!, '-t', `${threads}`, ...asked, '-r', '1', '-o', 'json'],
      { encoding: 'utf8' },
    );
    return (JSON.parse(stdout) as { avg_ts: number }[])[0]!.avg_ts;
  };
  say('llama-bench of Debian sid, a newer release than the one that tokenwork calls');
  return withLlama(threads, async (decoder) => {
    const ours = async () => {
      if (phase === 'prefill') return prefillRate(decoder);
      const sequence = await sequenceAfter(decoder, 1, newTokens);
      const rate = await decodeRate(sequence, 1, newTokens);
      sequence.close();
      return rate;
    };
    return summarise(await alternatingRatios(rounds, ours, theirs));
  });
}

const script = fileURLToPath(new URL('../../../scripts/llama-tools.sh', import.meta.url));
let tools: string | null | undefined;

/** The folder of llama-bench and llama-server; null where it cannot be had. */
export function llamaTools(): string | null {
  tools ??= spawnSync(script, { encoding: 'utf8' }).stdout.trim() || null;
  return tools;
}

export async function whyNoTools(): Promise<string | null> {
  return llamaTools() === null ? 'llama.cpp’s tools cannot be had here (scripts/llama-tools.sh)' : null;
}

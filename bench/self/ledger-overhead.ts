import { monotonicClock } from '#tokenwork/core/clock.js';
import { openDecoder } from '#tokenwork/engines/onnx/open-decoder.js';
import { openEncoder } from '#tokenwork/engines/onnx/open-encoder.js';
import { resolveEncoder } from '#tokenwork/models/encoder/resolve.js';
import { loadTokenizer } from '#tokenwork/models/tokenizer.js';
import { openCpuClock } from '#tokenwork/sensors/linux/cpu-time.js';
import { Ledger } from '#tokenwork/stages/ledger.js';
import { Resources } from '#tokenwork/stages/resources.js';
import { prepareRequest, runRequest } from '#tokenwork/stages/run-request.js';
import { loadPipeline } from '#tokenwork/workload/pipelines/pipeline.js';
import { summarise } from './alternate.js';
import type { Figure } from './figure.js';
import { smolLm2 } from './models.js';

const rounds = 8;
const completionTokens = 64;
const text =
  'My tomato plants grow tall and green, but hardly any flowers turn into fruit. What should I try first?';

export const ledgerOverhead: Figure = {
  id: 'ledger-overhead',
  what: 'time in the ledger ÷ E2E, guarded chat with retrieval and reasoning, SmolLM2-135M q4, 64 tokens out (readings, notes of passes, accounts)',
  target: 0.005,
  comparison: '<=',
  async measure() {
    const folder = await smolLm2('q4');
    const options = { threads: 1, backend: 'native' } as const;
    const decoder = await openDecoder(folder, options);
    const chat = { ...folder, decoder, tokenizer: await loadTokenizer(folder.directory) };
    const encoders = await Promise.all(
      ([{ kind: 'classification', labels: 2 }, { kind: 'embedding' }] as const).map(async (head) => {
        const model = await resolveEncoder('minilm-l6', { dtype: 'q4', head });
        if (model.format !== 'onnx') throw new Error(`${model.id} is not in ONNX`);
        const encoder = await openEncoder(model, options);
        const tokenizer = await loadTokenizer(model.directory);
        return [head.kind, { id: head.kind, encoder, cost: model.cost, tokenizer }] as const;
      }),
    );
    const resources = new Resources(new Map(), new Map(encoders));
    const { name, stages } = await loadPipeline('guarded-rag-reasoning');
    const models = { classifier: 'classification', embedder: 'embedding' };
    const pipeline = { name, stages: [...stages], models, drawn: { reasoning: { tokens: 16 } }, seed: 1 };
    const request = {
      prompt: { kind: 'text', text },
      completionTokens,
      batch: 1,
      stop: 'forced',
      sampling: { kind: 'greedy' },
      deadlineNs: null,
      pipeline,
    } as const;
    const { threadNs } = openCpuClock();
    const instruments = { clock: monotonicClock(), cpuTime: threadNs };
    const control = { stopRequested: () => false, onStep: () => {} };
    const ledger = timedLedger();
    const shares: number[] = [];
    try {
      await prepareRequest(request, chat, resources);
      for (let round = 0; round < rounds; round++) {
        ledger.reset();
        const outcome = await runRequest(request, chat, instruments, control, resources);
        if (outcome.status !== 'ok') throw new Error(outcome.message);
        const e2eNs = outcome.times.ended - outcome.times.started;
        if (round > 0) shares.push(ledger.spentNs() / e2eNs);
      }
    } finally {
      ledger.restore();
      decoder.close();
      for (const [, { encoder }] of encoders) encoder.close();
    }
    return summarise(shares);
  },
};

/** Times every call into a ledger; what timing itself takes counts as the ledger's. */
function timedLedger() {
  let spent = 0n;
  const methods = ['pass', 'compute', 'hold', 'close', 'accounts'] as const;
  const prototype = Ledger.prototype as unknown as Record<string, (...parameters: unknown[]) => unknown>;
  const originals = methods.map((method) => [method, prototype[method]!] as const);
  for (const [method, original] of originals) {
    prototype[method] = function timed(this: Ledger, ...parameters) {
      const begin = process.hrtime.bigint();
      const result = original.apply(this, parameters);
      spent += process.hrtime.bigint() - begin;
      return result;
    };
  }
  return {
    spentNs: () => Number(spent),
    reset: () => {
      spent = 0n;
    },
    restore: () => {
      for (const [method, original] of originals) prototype[method] = original;
    },
  };
}

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { monotonicClock } from '../core/clock.js';
import { checkLedger } from '../core/ledger-check.js';
import type { Decoder, OnnxDevice } from '../engines/engine.js';
import { probeDevice } from '../engines/onnx/gpu/probe.js';
import { openDecoder } from '../engines/onnx/open-decoder.js';
import { resolveModel } from '../models/resolve.js';
import { plainChat, stagePolicySchema } from './pipeline.js';
import { PrefixCache } from './prefix-cache/prefix-cache.js';
import type { RequestInput } from './request.js';
import { Resources } from './resources.js';
import { type FinishedRequest, prepareRequest, runRequest } from './run-request.js';

// Where no Vulkan device opens this is skipped: eval "$(scripts/software-vulkan.sh)" sets one up.
const { error } = await probeDevice('webgpu');
const stallTimeoutMs = 300_000;
const blockTokens = 4;

describe.skipIf(error !== null)('a prefix cache on a GPU', () => {
  const cacheDirectory = mkdtempSync(join(tmpdir(), 'tokenwork-webgpu-prefix-'));
  let model: Awaited<ReturnType<typeof resolveModel>>;
  const decoders = new Map<OnnxDevice, Decoder>();
  beforeAll(async () => {
    model = await resolveModel('tiny', { dtype: 'fp32', graphVariant: 'primitive', cacheDirectory });
    for (const device of ['cpu', 'webgpu'] as const)
      decoders.set(device, await openDecoder(model, { threads: 1, backend: 'native', device }));
  }, stallTimeoutMs);
  afterAll(() => {
    for (const decoder of decoders.values()) decoder.close();
    rmSync(cacheDirectory, { recursive: true });
  });

  async function run(
    cache: string,
    device: OnnxDevice,
    resources = new Resources(),
  ): Promise<FinishedRequest> {
    const stages = [
      { type: 'tokenization' },
      { type: 'prefill', systemTokens: 30, historyTurns: 1, blockTokens, cacheTokens: 64, cache },
      { type: 'decode' },
    ];
    const request: RequestInput = {
      prompt: { kind: 'ids', ids: [11, 12, 13, 14, 15] },
      completionTokens: 6,
      batch: 1,
      stop: 'forced',
      sampling: { kind: 'greedy' },
      deadlineNs: null,
      pipeline: {
        ...plainChat,
        name: 'test',
        stages: stages.map((stage) => stagePolicySchema.parse(stage)),
      },
    };
    const chat = { ...model, decoder: decoders.get(device)!, tokenizer: null };
    await prepareRequest(request, chat, resources);
    const control = { stopRequested: () => false, onStep() {} };
    const instruments = { clock: monotonicClock(), cpuTime: null };
    const outcome = await runRequest(request, chat, instruments, control, resources);
    if (outcome.status !== 'ok') throw new Error(`${outcome.code}: ${outcome.message}`);
    return outcome;
  }

  it(
    'gives the tokens that no cache and the CPU give, whatever it holds, and says what it held',
    async () => {
      const plain = await run('none', 'webgpu');
      expect(plain.completions).toEqual((await run('none', 'cpu')).completions);
      // One cache through all of it, so that blocks are taken again by others. 30 + 5 + 6 + 5 tokens.
      const resources = new Resources();
      const found = { warm: 44, cold: 0, partial: 40, evicted: 0 };
      for (const [cache, cached] of [...Object.entries(found), ...Object.entries(found)]) {
        const request = await run(cache, 'webgpu', resources);
        expect(request.completions).toEqual(plain.completions);
        expect(request.tokens).toMatchObject({ prompt: 46, completion: 6, cached });
        const onCpu = await run(cache, 'cpu');
        expect(request.tokens).toEqual(onCpu.tokens);
        expect(request.work).toMatchObject({
          kvBytes: plain.work.kvBytes,
          memoryTraffic: onCpu.work.memoryTraffic,
          flops: onCpu.work.flops,
        });
        expect(checkLedger({ conservation: {}, requests: [{ id: 0, ...request }] }).violations).toEqual([]);
      }
    },
    stallTimeoutMs,
  );

  it(
    'accounts for what it copies in the stages that copy it',
    async () => {
      const { kvBytesPerPosition } = decoders.get('webgpu')!;
      const { stages } = await run('partial', 'webgpu');
      const [lookup, store] = stages.filter(({ type }) => type === 'cache');
      // 51 positions in the end, 12 whole blocks, of which 10 were there.
      expect(store).toMatchObject({ detail: { stored: 2, present: 10 }, work: { kvBytes: 0 } });
      expect(lookup!.work).toMatchObject({
        kvBytes: 40 * kvBytesPerPosition,
        memoryTraffic: 2 * 40 * kvBytesPerPosition,
        flops: 0,
      });
      expect(store!.work!.memoryTraffic).toBe(2 * 2 * blockTokens * kvBytesPerPosition);
    },
    stallTimeoutMs,
  );

  it(
    'gives a block that it evicts to the next prompt, and holds no more than its limit',
    async () => {
      const decoder = decoders.get('webgpu')!;
      const limitBytes = 2 * blockTokens * decoder.kvBytesPerPosition;
      const cache = new PrefixCache(decoder, { blockTokens, limitBytes });
      const next = BigInt64Array.of(7n);
      for (const first of [1, 101, 201, 301]) {
        const ids = Array.from({ length: 8 }, (_, i) => first + i);
        const computed = decoder.open({ batch: 1, capacity: 10 });
        await computed.step(BigInt64Array.from(ids, BigInt));
        const kept = cache.store(ids, (exports) => computed.exportCache(0, exports));
        expect(kept).toMatchObject({ stored: 2, evicted: first === 1 ? 0 : 2, refused: 0 });
        expect(cache.statistics).toMatchObject({ heldBytes: limitBytes, limitBytes });
        const match = cache.match([...ids, 0]);
        const cached = decoder.open({ batch: 1, capacity: 10 });
        cached.importCache([match.blocks]);
        match.release();
        const expected = Float32Array.from((await computed.step(next)).data);
        expect(Float32Array.from((await cached.step(next)).data)).toEqual(expected);
        for (const sequence of [computed, cached]) sequence.close();
      }
    },
    stallTimeoutMs,
  );
});

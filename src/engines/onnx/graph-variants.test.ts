import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { describeDecoder } from '../../models/decoder-graph.js';
import { decodeModel, encodeModel, type ModelProto } from '../../models/onnx/proto.js';
import { lacksShared, sharedPath } from '../../shared-files.test-support.js';
import { openDecoder } from './open-decoder.js';

const storiesPath = sharedPath('models/stories260K/onnx/model.onnx');
const scratch = mkdtempSync(join(tmpdir(), 'tokenwork-variants-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** The trained model, changed; written to a file of its own. */
function variant(name: string, change: (model: ModelProto) => void) {
  const model = decodeModel(readFileSync(storiesPath));
  change(model);
  const onnxPath = join(scratch, `${name}.onnx`);
  writeFileSync(onnxPath, encodeModel(model));
  return { onnxPath, decoder: describeDecoder(model), contextLength: 512 };
}

const int32 = 6;
const fp16 = 10;
const prompt = BigInt64Array.of(1n, 403n, 407n, 261n, 378n, 12n);

async function logitsOf(
  model: Parameters<typeof openDecoder>[0],
  backend: 'native' | 'node',
  batch = 1,
  keep: 'last' | 'all' = 'all',
) {
  const decoder = await openDecoder(model, { threads: 1, backend });
  const sequence = decoder.open({ batch, capacity: 16 });
  const prefill = await sequence.step(prompt, keep);
  const first = { positions: prefill.positions, data: Float32Array.from(prefill.data) };
  const decode = await sequence.step(BigInt64Array.from({ length: batch }, () => 300n));
  const second = { positions: decode.positions, data: Float32Array.from(decode.data) };
  sequence.close();
  decoder.close();
  return [first, second] as const;
}

/** Ids of 32 bits, as some exporters declare them. */
function takeInt32(model: ModelProto): void {
  const { input, node } = model.graph;
  for (const name of ['input_ids', 'attention_mask', 'position_ids']) {
    input!.find((value) => value.name === name)!.type!.tensorType!.elemType = int32;
    for (const user of node!) user.input = user.input?.map((used) => (used === name ? `${name}_64` : used));
    const to = { name: 'to', type: 2, i: 7 };
    node!.unshift({ opType: 'Cast', input: [name], output: [`${name}_64`], attribute: [to] });
  }
}

/** Logits in half precision. */
function giveHalf(model: ModelProto): void {
  const { output, node } = model.graph;
  for (const maker of node!) maker.output = maker.output?.map((name) => (name === 'logits' ? 'wide' : name));
  output!.find((value) => value.name === 'logits')!.type!.tensorType!.elemType = fp16;
  const to = { name: 'to', type: 2, i: fp16 };
  node!.push({ opType: 'Cast', input: ['wide'], output: ['logits'], attribute: [to] });
}

/** Logits of as many trailing positions as asked for. */
function keepLogits(model: ModelProto): void {
  const { input, node } = model.graph;
  for (const maker of node!) maker.output = maker.output?.map((name) => (name === 'logits' ? 'every' : name));
  input!.push({ name: 'num_logits_to_keep', type: { tensorType: { elemType: 7, shape: { dim: [] } } } });
  const constant = (name: string, value: number) => ({
    name,
    dims: [1],
    dataType: 7,
    rawData: new Uint8Array(BigInt64Array.of(BigInt(value)).buffer),
  });
  model.graph.initializer!.push(
    constant('one_', 1),
    constant('end_', Number.MAX_SAFE_INTEGER),
    constant('none_', 0),
  );
  node!.push(
    { opType: 'Neg', input: ['num_logits_to_keep'], output: ['negated'] },
    { opType: 'Unsqueeze', input: ['negated', 'none_'], output: ['start'] },
    { opType: 'Slice', input: ['every', 'start', 'end_', 'one_'], output: ['logits'] },
  );
}

describe.skipIf(lacksShared)('exports that differ in their inputs and outputs', () => {
  it.each(['native', 'node'] as const)('%s: feeds ids of 32 bits', async (backend) => {
    const plain = await logitsOf(
      variant('plain', () => {}),
      backend,
    );
    expect(await logitsOf(variant('int32', takeInt32), backend)).toEqual(plain);
  });

  it.each(['native', 'node'] as const)('%s: widens logits in half precision', async (backend) => {
    const plain = await logitsOf(
      variant('plain', () => {}),
      backend,
    );
    const half = await logitsOf(variant('half', giveHalf), backend);
    for (const step of [0, 1] as const) {
      expect(half[step].positions).toBe(plain[step].positions);
      // Rounding to 11 significant bits moves a value by at most 2^-11 of itself.
      for (const [i, value] of plain[step].data.entries())
        expect(Math.abs(half[step].data[i]! - value)).toBeLessThanOrEqual(Math.abs(value) * 2 ** -11 + 1e-7);
    }
  });

  it.each(['native', 'node'] as const)(
    '%s: asks for the last position or for all, as it can, for a batch too',
    async (backend) => {
      const kept = variant('kept', keepLogits);
      expect(kept.decoder.logits.lastPositionOnly).toBe(true);
      for (const batch of [1, 2]) {
        const plain = await logitsOf(
          variant('plain', () => {}),
          backend,
          batch,
        );
        expect(await logitsOf(kept, backend, batch)).toEqual(plain);
        const [prefill, decode] = await logitsOf(kept, backend, batch, 'last');
        expect(prefill.positions).toBe(1);
        const perRow = prompt.length / batch;
        for (let row = 0; row < batch; row++) {
          const end = (row + 1) * perRow * 512;
          expect(prefill.data.subarray(row * 512, (row + 1) * 512)).toEqual(
            plain[0].data.subarray(end - 512, end),
          );
        }
        expect(decode).toEqual(plain[1]);
      }
    },
  );

  it.each(['native', 'node'] as const)(
    '%s: says that weights in another file are missing',
    async (backend) => {
      const name = `external-${backend}`;
      const dataPath = join(scratch, `${name}.onnx_data`);
      const model = variant(name, ({ graph }) => {
        const tensor = graph.initializer!.find(({ rawData }) => (rawData?.length ?? 0) > 4096)!;
        const bytes = tensor.rawData!;
        writeFileSync(dataPath, bytes);
        delete tensor.rawData;
        tensor.dataLocation = 1;
        tensor.externalData = [
          { key: 'location', value: `${name}.onnx_data` },
          { key: 'offset', value: '0' },
          { key: 'length', value: String(bytes.length) },
        ];
      });
      const decoder = await openDecoder(model, { threads: 1, backend });
      decoder.close();
      truncateSync(dataPath, 100);
      const missing = { code: 'external-data-missing', exitCode: 2 };
      await expect(openDecoder(model, { threads: 1, backend })).rejects.toMatchObject(missing);
      rmSync(dataPath);
      await expect(openDecoder(model, { threads: 1, backend })).rejects.toMatchObject(missing);
    },
  );

  it.each(['native', 'node'] as const)('%s: names an op that it cannot run', async (backend) => {
    const model = variant('unknown-op', ({ graph }) => {
      graph.node!.at(-1)!.opType = 'Clairvoyance';
    });
    await expect(openDecoder(model, { threads: 1, backend })).rejects.toMatchObject({
      code: 'model-unsupported',
      message: expect.stringContaining('Clairvoyance'),
    });
  });
});

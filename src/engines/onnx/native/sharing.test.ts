import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeDecoder } from '../../../models/decoder-graph.js';
import { decodeModel } from '../../../models/onnx/proto.js';
import { lacksShared, sharedPath } from '../../../shared-files.test-support.js';
import { type DecoderModel, openDecoder, requestTermination } from '../open-decoder.js';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
// Worker threads of Node 20 run only compiled code: what the tests' set-up has built.
const compiled = pathToFileURL(join(root, 'dist/engines/onnx/open-decoder.js')).href;
const onnxPath = sharedPath('models/stories260K/onnx/model.onnx');

/**
 * What each worker does: opens the decoder as told and greedily continues a prompt, over and over;
 * posts the tokens of each round. `forever` keeps stepping until a termination stops it.
 */
const workerSource = `
import { parentPort, workerData } from 'node:worker_threads';
import { openDecoder } from ${JSON.stringify(compiled)};
const { model, options, rounds, forever, abandon } = workerData;
const decoder = await openDecoder(model, options);
const continuation = async () => {
  const sequence = decoder.open({ batch: 1, capacity: 40 });
  let { data } = await sequence.step(BigInt64Array.of(1n, 403n, 407n, 261n, 378n));
  const tokens = [];
  for (let i = 0; i < 30; i++) {
    tokens.push(data.indexOf(Math.max(...data)));
    ({ data } = await sequence.step(BigInt64Array.of(BigInt(tokens.at(-1)))));
  }
  sequence.close();
  return tokens;
};
if (forever) {
  const sequence = decoder.open({ batch: 1, capacity: 512 });
  await sequence.step(new BigInt64Array(400).fill(1n));
  parentPort.postMessage({ stepping: String(decoder.terminationHandle) });
  try {
    for (;;) { sequence.truncate(300); await sequence.step(new BigInt64Array(100).fill(5n)); }
  } catch (error) { parentPort.postMessage({ stopped: error.code }); }
  sequence.close();
}
for (let i = 0; i < rounds; i++) parentPort.postMessage({ tokens: await continuation() });
if (abandon) process.exit(0);
decoder.close();
`;

describe.skipIf(lacksShared)('sessions across threads', () => {
  let scratch: string;
  let model: DecoderModel;
  beforeAll(() => {
    scratch = mkdtempSync(join(tmpdir(), 'tokenwork-sharing-'));
    writeFileSync(join(scratch, 'worker.mjs'), workerSource);
    model = { onnxPath, decoder: describeDecoder(decodeModel(readFileSync(onnxPath))), contextLength: 512 };
  });
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  function start(data: Record<string, unknown>): Worker {
    return new Worker(join(scratch, 'worker.mjs'), { workerData: { model, rounds: 0, ...data } });
  }

  /** Everything a worker posts until it ends; rejects with its error. */
  function messagesOf(worker: Worker): Promise<Record<string, unknown>[]> {
    const messages: Record<string, unknown>[] = [];
    return new Promise((resolve, reject) => {
      worker.on('message', (message) => messages.push(message));
      worker.on('error', reject);
      worker.on('exit', () => resolve(messages));
    });
  }

  it('computes the same on one session from several threads at once, weights loaded once', async () => {
    const owner = await openDecoder(model, { threads: 1, backend: 'native' });
    const options = { threads: 1, backend: 'native', sharedHandle: owner.sharedHandle };
    const rounds = 10;
    const outputs = await Promise.all([1, 2, 3].map(() => messagesOf(start({ options, rounds }))));
    const alone = await messagesOf(start({ options: { threads: 1, backend: 'native' }, rounds: 1 }));
    expect(alone[0]!.tokens).toHaveLength(30);
    for (const messages of outputs) {
      expect(messages).toHaveLength(rounds);
      for (const message of messages) expect(message).toEqual(alone[0]);
    }
    // The users are gone; the owner's session lives on.
    const sequence = owner.open({ batch: 1, capacity: 8 });
    await sequence.step(BigInt64Array.of(1n, 403n));
    sequence.close();
    owner.close();
  });

  it('stops a step of another thread, whose decoder works on afterwards', async () => {
    const worker = start({ options: { threads: 1, backend: 'native' }, forever: true, rounds: 1 });
    worker.on('message', ({ stepping }) => {
      if (stepping) requestTermination(BigInt(stepping));
    });
    const messages = await messagesOf(worker);
    expect(messages[1]).toEqual({ stopped: 'terminated' });
    expect(messages[2]!.tokens).toHaveLength(30);
  });

  it('survives a worker that ends without closing a session with threads of its own', async () => {
    // Were the library unloaded with the worker, those threads would take the process down.
    const options = { threads: 3, backend: 'native' };
    const abandoned = await messagesOf(start({ options, rounds: 1, abandon: true }));
    const next = await messagesOf(start({ options, rounds: 1 }));
    expect(next).toEqual(abandoned);
  });

  it('runs the Node binding beside the native back end, in threads too', async () => {
    const native = await openDecoder(model, { threads: 1, backend: 'native' });
    const node = await openDecoder(model, { threads: 1, backend: 'node' });
    const outputs = await Promise.all(
      (['native', 'node', 'node'] as const).map((backend) =>
        messagesOf(start({ options: { threads: 1, backend }, rounds: 3 })),
      ),
    );
    expect(outputs[1]).toEqual(outputs[0]);
    expect(outputs[2]).toEqual(outputs[0]);
    native.close();
    node.close();
  });
});

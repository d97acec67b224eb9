import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Decoder } from '#tokenwork/engines/engine.js';
import { openDecoder } from '#tokenwork/engines/onnx/open-decoder.js';
import type { ModelFolder } from '#tokenwork/models/folder.js';
import { decodeModel, encodeModel, type TensorProto } from '#tokenwork/models/onnx/proto.js';
import { resolveModel } from '#tokenwork/models/resolve.js';
import { openCpuClock } from '#tokenwork/sensors/linux/cpu-time.js';
import { testEquivalence } from '#tokenwork/stats/equivalence.js';
import { median } from '#tokenwork/stats/quantile.js';
import { createRandom } from '#tokenwork/stats/random.js';
import { promptIds } from './decoding.js';
import type { Figure } from './figure.js';

const trainedFolder = resolve(process.env.TOKENWORK_TRAINED_MODEL ?? '../shared/models/stories260K');
const cells = [16, 64, 256].flatMap((promptTokens) =>
  [16, 64].map((completionTokens) => ({ promptTokens, completionTokens })),
);
const margin = 0.05;
const sessionsOfEach = 20;
const warmupRequests = 2;
const requestsPerSession = 8;

/** The claim that the default models rest on: what a dense model costs does not depend on its weights. */
export const weightsIndependence: Figure = {
  id: 'weights-independence',
  what: 'CPU time with trained weights against seeded random ones, stories260K: share of cells equivalent within 5% (TOST, α = 0.05)',
  target: 1,
  comparison: '>=',
  unavailable: existsSync(trainedFolder)
    ? null
    : `there is no trained model at ${trainedFolder}; name a folder in TOKENWORK_TRAINED_MODEL`,
  async measure(say) {
    const scratch = await mkdtemp(join(tmpdir(), 'tokenwork-weights-'));
    try {
      await cp(trainedFolder, scratch, { recursive: true });
      const trained = await resolveModel(trainedFolder, { dtype: 'fp32' });
      const randomPath = join(scratch, 'onnx', 'model.onnx');
      await rm(randomPath);
      await writeFile(randomPath, await withRandomWeights(trained.onnxPath));
      const random = await resolveModel(scratch, { dtype: 'fp32' });
      const verdicts = await compareCells(trained, random);
      for (const verdict of verdicts) say(verdict.text);
      const equivalent = verdicts.filter((verdict) => verdict.equivalent).length;
      return { value: equivalent / verdicts.length, spread: null };
    } finally {
      await rm(scratch, { recursive: true });
    }
  },
};

/**
 * Requests of both models by turns, in sessions opened anew by turns: where a session's weights and buffers come to lie
 * moves its cost by several percent, as much between two sessions of the same weights. What is compared is therefore
 * a median of each session, and the trained weights are held against a second copy of themselves besides.
 */
async function compareCells(trained: ModelFolder, random: ModelFolder) {
  const models = [trained, random, trained];
  const samples = cells.map(() => models.map((): number[] => []));
  for (let block = 0; block < sessionsOfEach; block++) {
    const order = models.map((_, index) => (index + block) % models.length);
    const decoders: Decoder[] = [];
    for (const which of order) {
      decoders[which] = await openDecoder(models[which]!, { threads: 1, backend: 'native' });
    }
    for (const [index, cell] of cells.entries()) {
      const times = models.map((): number[] => []);
      for (let request = -warmupRequests; request < requestsPerSession; request++) {
        for (const which of order) {
          const cpuNs = await cpuTimeOf(decoders[which]!, cell);
          if (request >= 0) times[which]!.push(cpuNs);
        }
      }
      for (const [which, values] of times.entries()) samples[index]![which]!.push(median(values)!);
    }
    for (const decoder of decoders) decoder.close();
  }
  return cells.map(({ promptTokens, completionTokens }, index) => {
    const [ofTrained, ofRandom, again] = samples[index]!;
    // Paired by block, as the machine's pace wanders: one sample of ratios against 1, which has no spread.
    const against = (others: readonly number[]) =>
      testEquivalence(
        [1, 1],
        others.map((other, block) => ofTrained![block]! / other),
        { margin },
      );
    const [test, control] = [against(ofRandom!), against(again!)];
    const shown = (of: typeof test) =>
      `${of?.ratio.toFixed(3)} [${of?.low.toFixed(3)}, ${of?.high.toFixed(3)}]`;
    return {
      equivalent: test?.equivalent ?? false,
      text: `p${promptTokens}/c${completionTokens}: trained ÷ random ${shown(test)}, ÷ itself ${shown(control)}`,
    };
  });
}

const { threadNs } = openCpuClock();

async function cpuTimeOf(decoder: Decoder, cell: (typeof cells)[number]): Promise<number> {
  if (threadNs === null) throw new Error('this platform does not read the CPU time of a thread');
  const sequence = decoder.open({ batch: 1, capacity: cell.promptTokens + cell.completionTokens });
  const prompt = promptIds(cell.promptTokens, decoder.vocabulary);
  const token = BigInt64Array.of(7n);
  const begin = threadNs();
  await sequence.step(prompt);
  for (let i = 1; i < cell.completionTokens; i++) await sequence.step(token);
  const cpuNs = threadNs() - begin;
  sequence.close();
  return cpuNs;
}

/** The same graph with every floating-point matrix drawn uniformly from ±√(3 ÷ fan-in); norms stay near 1. */
async function withRandomWeights(path: string): Promise<Uint8Array> {
  const model = decodeModel(await readFile(path));
  const random = createRandom(1);
  for (const tensor of model.graph.initializer ?? []) randomise(tensor, random.uniform);
  return encodeModel(model);
}

function randomise(tensor: TensorProto, uniform: () => number): void {
  const float32 = 1;
  const dims = tensor.dims ?? [];
  if (tensor.dataType !== float32 || dims.length !== 2 || tensor.rawData === undefined) return;
  const limit = Math.sqrt(3 / dims[0]!);
  const values = new Float32Array(dims[0]! * dims[1]!);
  for (let i = 0; i < values.length; i++) values[i] = (2 * uniform() - 1) * limit;
  tensor.rawData = new Uint8Array(values.buffer);
}

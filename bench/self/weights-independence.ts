import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { openDecoder } from '#tokenwork/engines/onnx/open-decoder.js';
import type { ModelFolder } from '#tokenwork/models/folder.js';
import { decodeModel, encodeModel, type TensorProto } from '#tokenwork/models/onnx/proto.js';
import { resolveModel } from '#tokenwork/models/resolve.js';
import { openCpuClock } from '#tokenwork/sensors/linux/cpu-time.js';
import { testEquivalence } from '#tokenwork/stats/equivalence.js';
import { createRandom } from '#tokenwork/stats/random.js';
import { promptIds } from './decoding.js';
import type { Figure } from './figure.js';

const trainedFolder = resolve(process.env.TOKENWORK_TRAINED_MODEL ?? '../shared/models/stories260K');
const cells = [16, 64, 256].flatMap((promptTokens) =>
  [16, 64].map((completionTokens) => ({ promptTokens, completionTokens })),
);
const margin = 0.05;
const requestsPerCell = 60;

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

async function compareCells(trained: ModelFolder, random: ModelFolder) {
  const decoders = await Promise.all(
    [trained, random].map((model) => openDecoder(model, { threads: 1, backend: 'native' })),
  );
  const { threadNs } = openCpuClock();
  if (threadNs === null) throw new Error('this platform does not read the CPU time of a thread');
  const cpuOf = async (decoder: (typeof decoders)[number], cell: (typeof cells)[number]) => {
    const sequence = decoder.open({ batch: 1, capacity: cell.promptTokens + cell.completionTokens });
    const prompt = promptIds(cell.promptTokens, decoder.vocabulary);
    const token = BigInt64Array.of(7n);
    const begin = threadNs();
    await sequence.step(prompt);
    for (let i = 1; i < cell.completionTokens; i++) await sequence.step(token);
    const cpuNs = threadNs() - begin;
    sequence.close();
    return cpuNs;
  };
  const verdicts: { equivalent: boolean; text: string }[] = [];
  for (const cell of cells) {
    const samples: [number[], number[]] = [[], []];
    for (let request = -5; request < requestsPerCell; request++) {
      const first = request % 2 === 0 ? 0 : 1;
      for (const which of [first, 1 - first]) {
        const cpuNs = await cpuOf(decoders[which]!, cell);
        if (request >= 0) samples[which]!.push(cpuNs);
      }
    }
    const test = testEquivalence(samples[1], samples[0], { margin });
    verdicts.push({
      equivalent: test?.equivalent ?? false,
      text: `p${cell.promptTokens}/c${cell.completionTokens}: trained ÷ random ${test?.ratio.toFixed(3)} [${test?.low.toFixed(3)}, ${test?.high.toFixed(3)}]`,
    });
  }
  for (const decoder of decoders) decoder.close();
  return verdicts;
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

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Dtype, onnxFileName } from '../dtype.js';
import { encodeModel, type ModelProto } from '../onnx/proto.js';
import { materialise, type Store } from './build-graph.js';
import { type OnBytes, writeSynced } from './synced-file.js';
import { byteLength, type TensorSpec, tensorBytes } from './tensor.js';

/** Weights beyond this go to a file of their own: it is memory-mapped, and a protobuf ends at 2 GB. */
const largestInlineBytes = 64 * 2 ** 20;
/** Smaller tensors stay in the graph even then. */
const smallestExternalBytes = 4096;
/** Offsets in the data file are page-aligned, so that every tensor can be mapped. */
const alignment = 4096;

/** Writes the model's message, its tensors put where `store` says; called more than once. */
type Assemble = (store: Store) => ModelProto;

/**
 * Writes a model's ONNX file into the folder's `onnx/`, and beside it `<file>_data` where the weights are large, holding
 * no more than a megabyte of them at a time. Returns whether there is a data file.
 */
export async function writeOnnx(
  assemble: Assemble,
  options: { dtype: Dtype; seed: number },
  directory: string,
  onBytes: OnBytes,
): Promise<boolean> {
  const fileName = onnxFileName(options.dtype);
  const onnxDirectory = join(directory, 'onnx');
  await mkdir(onnxDirectory, { recursive: true });
  const path = join(onnxDirectory, fileName);
  const weightBytes = modelBytes(assemble);
  if (weightBytes <= largestInlineBytes) {
    const model = assemble((tensor) => ({ rawData: materialise(tensor, options.seed) }));
    await writeSynced(path, [encodeModel(model)]);
    onBytes(weightBytes, weightBytes);
    return false;
  }

  const external: { tensor: TensorSpec; offset: number }[] = [];
  let end = 0;
  const model = assemble((tensor) => {
    const length = byteLength(tensor);
    if (length < smallestExternalBytes) return { rawData: materialise(tensor, options.seed) };
    const offset = Math.ceil(end / alignment) * alignment;
    end = offset + length;
    external.push({ tensor, offset });
    return {
      dataLocation: 1,
      externalData: [
        { key: 'location', value: `${fileName}_data` },
        { key: 'offset', value: String(offset) },
        { key: 'length', value: String(length) },
      ],
    };
  });
  await writeSynced(
    `${path}_data`,
    alignedBytes(external, options.seed, (written) => onBytes(written, end)),
  );
  await writeSynced(path, [encodeModel(model)]);
  return true;
}

/** Bytes of all of a model's tensors. */
function modelBytes(assemble: Assemble): number {
  let total = 0;
  assemble((tensor) => {
    total += byteLength(tensor);
    return {};
  });
  return total;
}

function* alignedBytes(
  external: { tensor: TensorSpec; offset: number }[],
  seed: number,
  onWritten: (bytes: number) => void,
): Generator<Uint8Array> {
  let position = 0;
  for (const { tensor, offset } of external) {
    if (offset > position) yield new Uint8Array(offset - position);
    position = offset;
    for (const chunk of tensorBytes(tensor, seed)) {
      yield chunk;
      position += chunk.byteLength;
      onWritten(position);
    }
  }
}

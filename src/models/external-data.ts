import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TokenworkError } from '../core/errors.js';
import { otherwise } from '../core/log.js';
import type { GraphProto, ModelProto, TensorProto } from './onnx/proto.js';

/**
 * The files beside `onnxPath` that hold its external weights, in the order of their names.
 * Throws TokenworkError `external-data-missing` or `external-data-truncated`.
 */
export async function externalDataFiles(model: ModelProto, onnxPath: string): Promise<string[]> {
  const ends = new Map<string, number>();
  for (const tensor of externalTensors(model.graph)) {
    const entries = new Map(tensor.externalData?.map(({ key, value }) => [key, value]));
    const location = entries.get('location') ?? '';
    const end = Number(entries.get('offset') ?? 0) + Number(entries.get('length') ?? 1);
    ends.set(location, Math.max(ends.get(location) ?? 0, end));
  }
  const paths: string[] = [];
  for (const [location, end] of [...ends].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const path = join(dirname(onnxPath), location);
    const bytes = await stat(path).then(
      (found) => (found.isFile() ? found.size : null),
      otherwise(null, 'external weights'),
    );
    if (bytes === null) {
      throw new TokenworkError(
        'external-data-missing',
        `${onnxPath} keeps weights in "${location}", and there is no file ${path}.`,
        'Download that file too and put it beside the .onnx file.',
      );
    }
    if (bytes < end) {
      throw new TokenworkError(
        'external-data-truncated',
        `${path} ends at byte ${bytes}, and ${onnxPath} needs ${end} bytes of it.`,
        'Download or export it again and compare the file size with the source.',
      );
    }
    paths.push(path);
  }
  return paths;
}

function* externalTensors(graph: GraphProto): Generator<TensorProto> {
  const isExternal = (tensor: TensorProto) => tensor.dataLocation === 1;
  yield* (graph.initializer ?? []).filter(isExternal);
  for (const node of graph.node ?? []) {
    for (const attribute of node.attribute ?? []) {
      if (attribute.t && isExternal(attribute.t)) yield attribute.t;
      if (attribute.g) yield* externalTensors(attribute.g);
    }
  }
}

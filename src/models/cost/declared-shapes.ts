import type { GraphProto, ValueInfoProto } from '../onnx/proto.js';
import { tensor, type Value } from './op-rule.js';

/**
 * Shapes a graph declares for its tensors, with symbolic dimensions bound to what the inputs' are.
 * They stand in where a shape does not follow: after an operator without a rule.
 */
export class DeclaredShapes {
  readonly #infos: Map<string, ValueInfoProto>;
  readonly #symbols: ReadonlyMap<string, number>;

  constructor(graph: GraphProto, symbols: ReadonlyMap<string, number>) {
    this.#infos = new Map(
      [...(graph.valueInfo ?? []), ...(graph.output ?? [])].map((info) => [info.name, info]),
    );
    this.#symbols = symbols;
  }

  valueOf(name: string): Value | undefined {
    const type = this.#infos.get(name)?.type?.tensorType;
    if (!type?.shape) return undefined;
    const shape: number[] = [];
    for (const { dimValue, dimParam } of type.shape.dim ?? []) {
      const size = dimParam ? this.#symbols.get(dimParam) : dimValue;
      // A negative size stands for one that is not known.
      if (size === undefined || !Number.isSafeInteger(size) || size < 0) return undefined;
      shape.push(size);
    }
    return tensor(type.elemType ?? 1, shape);
  }
}

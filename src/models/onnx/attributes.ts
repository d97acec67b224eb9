import type { AttributeProto, GraphProto, TensorProto } from './proto.js';

const text = new TextDecoder();

/** A node's attributes by name, each read with the default its operator defines. */
export class Attributes {
  readonly #byName: Map<string, AttributeProto>;

  constructor(list: readonly AttributeProto[] = []) {
    this.#byName = new Map(list.map((attribute) => [attribute.name, attribute]));
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /** Protobuf leaves a zero out of the file, so an attribute that is there without a value is 0. */
  int(name: string, otherwise: number): number {
    const attribute = this.#byName.get(name);
    return attribute ? (attribute.i ?? 0) : otherwise;
  }

  float(name: string, otherwise: number): number {
    const attribute = this.#byName.get(name);
    return attribute ? (attribute.f ?? 0) : otherwise;
  }

  ints(name: string): number[] | undefined {
    const attribute = this.#byName.get(name);
    return attribute ? (attribute.ints ?? []) : undefined;
  }

  floats(name: string): number[] | undefined {
    return this.#byName.get(name)?.floats;
  }

  string(name: string, otherwise: string): string {
    const bytes = this.#byName.get(name)?.s;
    return bytes ? text.decode(bytes) : otherwise;
  }

  /** Number of strings in a list. */
  strings(name: string): number | undefined {
    const attribute = this.#byName.get(name);
    return attribute ? (attribute.strings?.length ?? 0) : undefined;
  }

  tensor(name: string): TensorProto | undefined {
    return this.#byName.get(name)?.t;
  }

  graph(name: string): GraphProto | undefined {
    return this.#byName.get(name)?.g;
  }
}

import type { GraphProto, NodeProto } from '../onnx/proto.js';

/**
 * The nodes so that each comes after those whose outputs it reads; those in order already stay where they
 * are. ONNX asks for this order, but writers forget it and ONNX Runtime sorts by itself. Nodes in a circle
 * come last.
 */
export function inOrder(nodes: readonly NodeProto[]): NodeProto[] {
  const producer = new Map<string, number>();
  nodes.forEach((node, index) => {
    for (const name of node.output ?? []) if (name) producer.set(name, index);
  });
  const needs = nodes.map((node, index) => {
    const found = new Set<number>();
    for (const name of namesRead(node)) {
      const from = producer.get(name);
      if (from !== undefined && from !== index) found.add(from);
    }
    return found;
  });
  if (needs.every((found, index) => [...found].every((from) => from < index))) return [...nodes];

  const readers = nodes.map((): number[] => []);
  needs.forEach((found, index) => {
    for (const from of found) readers[from]!.push(index);
  });
  const open = needs.map((found) => found.size);
  const ready = new Heap();
  open.forEach((count, index) => {
    if (count === 0) ready.push(index);
  });
  const sorted: NodeProto[] = [];
  const placed = new Set<number>();
  for (let index = ready.pop(); index !== undefined; index = ready.pop()) {
    sorted.push(nodes[index]!);
    placed.add(index);
    for (const reader of readers[index]!) if (--open[reader]! === 0) ready.push(reader);
  }
  return [...sorted, ...nodes.filter((_, index) => !placed.has(index))];
}

/** Names that a node reads, itself or from within its graphs. */
function* namesRead(node: NodeProto): Generator<string> {
  const graphs: GraphProto[] = [];
  const take = ({ attribute }: NodeProto) => {
    for (const { g } of attribute ?? []) if (g) graphs.push(g);
  };
  for (const name of node.input ?? []) if (name) yield name;
  take(node);
  for (let graph = graphs.pop(); graph !== undefined; graph = graphs.pop()) {
    for (const inner of graph.node ?? []) {
      for (const name of inner.input ?? []) if (name) yield name;
      take(inner);
    }
    for (const { name } of graph.output ?? []) if (name) yield name;
  }
}

/** The smallest index first, so that ties keep the file's order. */
class Heap {
  readonly #items: number[] = [];

  push(item: number): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (items[parent]! <= items[at]!) break;
      [items[parent], items[at]] = [items[at]!, items[parent]!];
      at = parent;
    }
  }

  pop(): number | undefined {
    const items = this.#items;
    const [first] = items;
    const last = items.pop();
    if (first === undefined || items.length === 0) return first;
    items[0] = last!;
    for (let at = 0; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2])
        if (child < items.length && items[child]! < items[least]!) least = child;
      if (least === at) return first;
      [items[least], items[at]] = [items[at]!, items[least]!];
      at = least;
    }
  }
}

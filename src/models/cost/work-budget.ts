import { TokenworkError } from '../../core/errors.js';
import type { GraphProto, ModelProto, NodeProto } from '../onnx/proto.js';

/** Nodes that functions may expand to, beside eight times those of the file. */
const expandedNodes = 15_000;
/** Nodes that loops may run through in one analysis, beside what evaluating the graph takes. */
const repeatedNodes = 60_000;
/** Elements that take about as long to compute as a node takes to look at. */
const elementsPerUnit = 16;
/** Graphs within graphs, and functions that call functions, are followed that deep. */
const deepest = 64;

/**
 * The work one analysis of a graph may take, in nodes looked at. A file of a kilobyte can ask for any
 * amount: functions that call each other twice, loops in loops. What is spent is checked as it goes.
 */
export class WorkBudget {
  #left: number;
  #depth = 0;

  /** For reading `model`; `grant` adds what evaluating it takes. */
  constructor(model: ModelProto) {
    this.#left = expandedNodes + 8 * nodesOf(model);
  }

  /** Allows for `passes` evaluations of a graph of `nodes` nodes. */
  grant(nodes: number, passes: number): void {
    this.#left = repeatedNodes + 4 * passes * nodes;
  }

  /** Throws TokenworkError `graph-too-costly` where nothing is left. */
  spend(nodes: number, elements = 0): void {
    this.#left -= nodes + elements / elementsPerUnit;
    if (this.#left < 0) throw tooCostly('functions or loops repeat more nodes than an analysis follows');
  }

  /** Runs `within` one graph deeper. Throws TokenworkError `graph-too-costly` where that is too deep. */
  nested<Result>(within: () => Result): Result {
    if (this.#depth >= deepest) throw tooCostly(`graphs lie within each other more than ${deepest} deep`);
    this.#depth++;
    try {
      return within();
    } finally {
      this.#depth--;
    }
  }
}

function nodesOf(model: ModelProto): number {
  const lists = [model.graph.node ?? [], ...(model.functions ?? []).map(({ node }) => node ?? [])];
  let count = 0;
  for (let nodes = lists.pop(); nodes !== undefined; nodes = lists.pop()) {
    count += nodes.length;
    for (const graph of nodes.flatMap(graphsOf)) lists.push(graph.node ?? []);
  }
  return count;
}

function graphsOf({ attribute }: NodeProto): GraphProto[] {
  return (attribute ?? []).flatMap(({ g }) => (g ? [g] : []));
}

function tooCostly(why: string): TokenworkError {
  return new TokenworkError(
    'graph-too-costly',
    `The graph cannot be counted: ${why}.`,
    'Inline its functions and unroll its loops with the exporter, or count a smaller part of it.',
  );
}

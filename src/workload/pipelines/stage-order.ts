import { closest } from 'fastest-levenshtein';
import { nameOf, type StagePolicy } from '../../stages/pipeline.js';
import type { JsonDocument } from '../document.js';

/**
 * The stages in the order they run: each after those that it names in `after`, or after the one before it
 * in the file; of those that may run, the first in the file. Throws the document's error for two stages
 * of one name, a stage that is not there, or a cycle.
 */
export function orderStages(stages: readonly StagePolicy[], document: JsonDocument): StagePolicy[] {
  const names = stages.map(nameOf);
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) === index) continue;
    const field = stages[index]!.name === undefined ? 'type' : 'name';
    throw document.error(
      ['stages', index, field],
      `two stages are called "${name}"; give one another "name"`,
    );
  }
  const needs = new Map(
    stages.map((stage, index) => [names[index]!, stage.after ?? (index === 0 ? [] : [names[index - 1]!])]),
  );
  for (const [index, { after }] of stages.entries()) {
    for (const [position, name] of (after ?? []).entries()) {
      if (names.includes(name)) continue;
      throw document.error(
        ['stages', index, 'after', position],
        `no stage is called "${name}", perhaps "${closest(name, names)}" is meant`,
      );
    }
  }
  const ordered: StagePolicy[] = [];
  const done = new Set<string>();
  while (ordered.length < stages.length) {
    const ready = stages.find(
      (stage) => !done.has(nameOf(stage)) && needs.get(nameOf(stage))!.every((name) => done.has(name)),
    );
    if (ready === undefined) {
      const cycle = findCycle(needs, names.find((name) => !done.has(name))!, done);
      const index = names.indexOf(cycle[0]!);
      throw document.error(
        ['stages', index, 'after'],
        `the stages wait for each other: ${cycle.join(' after ')}`,
      );
    }
    ordered.push(ready);
    done.add(nameOf(ready));
  }
  return ordered;
}

/** A cycle of stages that wait for each other, the first named again at its end. */
function findCycle(
  needs: ReadonlyMap<string, readonly string[]>,
  start: string,
  done: ReadonlySet<string>,
): string[] {
  const path = [start];
  for (;;) {
    const next = needs.get(path.at(-1)!)!.find((name) => !done.has(name))!;
    const seen = path.indexOf(next);
    path.push(next);
    if (seen >= 0) return path.slice(seen);
  }
}
